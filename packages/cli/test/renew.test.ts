import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fetchText, fixture, Serving } from './serving.ts'

function start(...options: string[]): { serving: Serving; change: (version: string) => void } {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-renew-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'version')
  const change = (version: string) => writeFileSync(file, version)
  change('old')
  return { serving: new Serving([fixture('changes.mjs'), ...options], { VERSION: file }), change }
}

test.each([[['--workers', '2']], [['--server', 'threads', '--threads', '2']]])(
  'SIGHUP with %j: from then on what the module is now answers',
  async options => {
    const { serving, change } = start(...options)
    const address = await serving.address()
    expect(await fetchText(address)).toBe('old')
    change('new')
    serving.signal('SIGHUP')
    await serving.line(/^(Workers|Threads): .*, all new /)
    await expect.poll(() => fetchText(address)).toBe('new')
  },
)

test('SIGHUP while the workers start: the primary lives, and they are replaced once they serve', async () => {
  const { serving, change } = start('--workers', '2')
  await serving.line(/^version old starts$/)
  change('new')
  serving.signal('SIGHUP')
  await serving.line(/^Workers: .*, all new /)
  const address = await serving.address()
  // The old ones finish what they have.
  await expect.poll(() => fetchText(address)).toBe('new')
})

test.each([
  { version: 'broken', why: /this version is broken/ },
  { version: 'hanging', why: /^A worker did not start within 3 s and was ended/ },
])(
  'SIGHUP, when what the module is now is $version: the old workers go on, and it is said why',
  async ({ version, why }) => {
    const { serving, change } = start('--workers', '2', '--start-timeout', '3')
    const address = await serving.address()
    change(version)
    serving.signal('SIGHUP')
    await serving.line(why)
    await serving.line(/^A new worker can't start, so those that serve go on/)
    expect(await fetchText(address)).toBe('old')
    change('new')
    serving.signal('SIGHUP')
    await serving.line(/all new /)
    await expect.poll(() => fetchText(address)).toBe('new')
  },
)

test.each([[['--workers', '2']], [['--server', 'threads', '--threads', '2']]])(
  'SIGHUP with %j, when the module has come to listen itself: it is said, and the old ones go on',
  async options => {
    const { serving, change } = start(...options)
    const address = await serving.address()
    change(`listens ${new URL(address).port}`)
    serving.signal('SIGHUP')
    await serving.line(/changes\.mjs listens to port \d+ itself/)
    await serving.line(/^A new worker can't start, so those that serve go on/)
    expect(await fetchText(address)).toBe('old')
  },
)

test('SIGHUP: a connection that waits for its next request may do so as long as it was promised', async () => {
  const { serving, change } = start('--workers', '1', '--keep-alive', '20')
  const address = await serving.address()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const [first] = await once(get(address, { agent }), 'response')
  await text(first)
  change('new')
  serving.signal('SIGHUP')
  await serving.line(/all new /)
  await expect.poll(() => fetchText(address)).toBe('new')
  // Longer than a server that ends waits for it.
  await sleep(3000)
  const request = get(address, { agent })
  const [second] = await once(request, 'response')
  expect([request.reusedSocket, await text(second), second.headers.connection]).toEqual([
    true,
    'old',
    'close',
  ])
})

test('SIGHUP, when nobody reads what is logged any more: workers are replaced all the same', async () => {
  const { serving, change } = start('--workers', '2')
  const address = await serving.address()
  await serving.line(/^Primary/)
  serving.process.stdout?.destroy()
  serving.process.stderr?.destroy()
  change('new')
  serving.signal('SIGHUP')
  await expect.poll(() => fetchText(address), { timeout: 10_000 }).toBe('new')
  expect(serving.process.exitCode).toBeNull()
})

describe('while an old worker finishes', () => {
  /** One worker that holds a request, and has been replaced. */
  async function replaced(): Promise<{
    serving: Serving
    address: string
    held: Promise<string>
    free: () => void
  }> {
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-renew-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'held')
    writeFileSync(file, '')
    const serving = new Serving([fixture('held.mjs'), '--workers', '1'], {
      HELD: file,
      LATE: join(folder, 'late'),
    })
    const address = await serving.address()
    const held = fetchText(`${address}/held`)
    await serving.line(/^held by/)
    serving.signal('SIGHUP')
    await serving.line(/all new /)
    return { serving, address, held, free: () => rmSync(file) }
  }

  test('its successor is watched: one that is killed is replaced', async () => {
    const { serving, address, held, free } = await replaced()
    const [, pid = ''] = await serving.line(/all new \(pid (\d+)\)/)
    process.kill(Number(pid), 'SIGKILL')
    await serving.line(/took its place/)
    expect(await fetchText(address)).not.toBe(pid)
    free()
    await held
  })
})
