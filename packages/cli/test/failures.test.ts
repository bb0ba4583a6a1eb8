import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fetchText, fixture, Serving, serve } from './serving.ts'

test.each([
  ['broken-start.mjs', /the database has no tables/],
  ['no-app.mjs', /exports nothing to serve/],
  ['not-there.mjs', /Cannot find module .*not-there\.mjs/],
  ['exits-at-start.mjs', /no settings file/],
  ['bad-url.mjs', /Invalid URL/],
])('%s fails the start at once, with its message shown once', async (file, message) => {
  const serving = serve(fixture(file), '--workers', '3')
  expect(await serving.exit).toBe(1)
  expect(serving.lines.filter(line => message.test(line))).toHaveLength(1)
  expect(serving.output).not.toMatch(/Listening|Starting another/)
  // Of a URL that the error may have.
  expect(serving.output).not.toMatch(/ada|sa#me/)
})

test('a module that does not start within --start-timeout fails the start', async () => {
  const serving = serve(fixture('never-starts.mjs'), '--workers', '2', '--start-timeout', '0.5')
  expect(await serving.exit).toBe(1)
  expect(serving.output).toMatch(/^A worker did not start within 0\.5 s and was ended/m)
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

test('a module that listens to the port itself once it is loaded is served, and is told so once', async () => {
  const { port, close } = await takePort()
  await close()
  const serving = new Serving([fixture('listens-late.mjs'), '--workers', '2', '--port', port], { PORT: port })
  const address = await serving.address()
  await serving.line(/listens-late\.mjs listens to port \d+ itself/)
  expect(await fetchText(address)).toBe('served')
  serving.signal('SIGTERM')
  expect(await serving.exit).toBe(0)
  expect(serving.lines.filter(line => /itself/.test(line))).toHaveLength(1)
  expect(serving.output).not.toMatch(/EADDRINUSE|Starting another/)
})

test.each(['127.0.0.1', 'localhost', '::'])(
  'of two that start on one port at the same time, one as %s, one gets it',
  async host => {
    const { port, close } = await takePort()
    await close()
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-port-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const late = join(folder, 'late')
    writeFileSync(late, '')
    const start = (...options: string[]) =>
      new Serving([fixture('late.mjs'), '--workers', '2', '--port', port, ...options], { LATE: late })
    const [one, other] = [start(), start('--host', host)]
    const [refused, served] = await Promise.race([
      one.exit.then(() => [one, other] as const),
      other.exit.then(() => [other, one] as const),
    ])
    expect(refused.lines).toEqual([`Port ${port} is in use. Choose another with --port or PORT.`])
    rmSync(late)
    expect(await fetchText(await served.address())).toMatch(/^\d+$/)
  },
)

test('an address that can not be listened to is named, without a stack', async () => {
  const serving = serve(fixture('listener.ts'), '--host', 'nowhere.invalid')
  expect(await serving.exit).toBe(1)
  expect(serving.lines).toEqual([
    expect.stringMatching(/^Can't listen: .*nowhere\.invalid\. Check --host and --port\.$/),
  ])
})

test('variables that are set to nothing are as good as not set', async () => {
  const nothing = { PORT: '', SOJOURN_WORKERS: '', SOJOURN_WORKER_MEMORY_MB: '', WEB_CONCURRENCY: '' }
  const serving = new Serving([fixture('listener.ts')], nothing)
  await serving.address()
  await serving.line(/^Workers: \d+, (one per processor|as many as fit)/)
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
