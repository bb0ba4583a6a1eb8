import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { crashLoop, longEnoughMs } from '../src/restarts.ts'
import { fetchText, fixture, Serving, serve } from './serving.ts'

test.each([
  ['broken-start.mjs', /the database has no tables/],
  ['no-app.mjs', /exports nothing to serve/],
  ['not-there.mjs', /Cannot find module .*not-there\.mjs/],
  ['exits-at-start.mjs', /no settings file/],
])('%s fails the start at once, with its message shown once', async (file, message) => {
  const serving = serve(fixture(file), '--workers', '3')
  expect(await serving.exit).toBe(1)
  expect(serving.lines.filter(line => message.test(line))).toHaveLength(1)
  expect(serving.output).not.toMatch(/Listening|Starting another/)
})

test.each(['cluster', 'threads'])(
  'under %s a module that listens to the port itself fails the start at once, and is told so',
  async server => {
    const { port, close } = await takePort()
    await close()
    const args = [fixture('listens.mjs'), '--server', server, '--port', port]
    const serving = new Serving(args, { PORT: port })
    expect(await serving.exit).toBe(1)
    expect(serving.lines[0]).toMatch(/listens\.mjs listens to port \d+ itself/)
    expect(serving.output).not.toMatch(/EADDRINUSE|Starting another/)
  },
)

test('a crash loop ends with a message', async () => {
  const serving = serve(fixture('crashes.mjs'), '--workers', '1')
  const address = await serving.address()
  while (serving.process.exitCode === null) {
    await fetchText(address).catch(() => sleep(20))
  }
  expect(await serving.exit).toBe(1)
  expect(serving.output).toMatch(/out of luck/)
  expect(serving.lines.at(-1)).toMatch(/Worker \d+ ended with code 1, as 6 before it, .* Giving up/)
})

test('what was well before is not given up, however often its workers die', async () => {
  const serving = serve(fixture('crashes-at.mjs'), '--workers', '1')
  const address = await serving.address()
  const first = await fetchText(address)
  await sleep(longEnoughMs)
  for (let deaths = 0; deaths < crashLoop + 2; ) {
    await fetchText(`${address}/crash`).catch(() => sleep(20))
    deaths = serving.lines.filter(line => /Starting another/.test(line)).length
    expect(serving.process.exitCode).toBeNull()
  }
  let last = ''
  while (last === '') last = await fetchText(address).catch(() => sleep(20).then(() => ''))
  expect(last).not.toBe(first)
})

test('a port in use is named', async () => {
  const { port, close } = await takePort()
  const serving = serve(fixture('listener.ts'), '--workers', '2', '--port', port)
  expect(await serving.exit).toBe(1)
  expect(serving.lines).toEqual([`Port ${port} is in use. Choose another with --port or PORT.`])
  await close()
})

test.each([
  [['--workers', '0'], {}, /--workers .* must be a whole number from 1 on, auto, or 2n\+1/],
  [[], { SOJOURN_WORKERS: 'many' }, /from env 'SOJOURN_WORKERS' is invalid/],
  [[], { WEB_CONCURRENCY: '-1' }, /WEB_CONCURRENCY is '-1'. It must be a whole number/],
  [['--server', 'threads', '--workers', '2'], {}, /'--workers' does not go with '--server threads'/],
  [['--threads', '2'], {}, /'--threads' does not go with '--server cluster'/],
  [['--keep-alive', '-1'], {}, /--keep-alive .* number of seconds from 0/],
  [['--port', 'http'], {}, /--port .* whole number from 0 to 65535/],
  [['--server', 'gunicorn'], {}, /--server .* cluster or threads/],
  [['--what'], {}, /unknown option '--what'/],
])('%j %j is refused', async (args, env, message) => {
  const serving = new Serving([fixture('listener.ts'), ...args], env)
  expect(await serving.exit).toBe(1)
  expect(serving.output).toMatch(message)
})

async function takePort(): Promise<{ port: string; close: () => Promise<unknown> }> {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address ? String(address.port) : ''
  return { port, close: () => once(taken.close(), 'close') }
}
