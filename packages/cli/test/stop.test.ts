import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fetchText, fixture, Serving, serve } from './serving.ts'

const inFlight = 12

async function start(
  workers = 1,
): Promise<{ serving: Serving; address: string; port: number; worker: number }> {
  const serving = serve(fixture('slow.mjs'), '--workers', String(workers))
  const address = await serving.address()
  const [worker = 0] = await serving.pids()
  return { serving, address, port: Number(new URL(address).port), worker }
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function refused(port: number): Promise<void> {
  for (;;) {
    const socket = connect(port, '127.0.0.1')
    const open = await once(socket, 'connect').then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (!open) return
  }
}

describe('SIGTERM and SIGINT', () => {
  test('while one finishes, the next can already serve on its port', async () => {
    const { serving, address, port, worker } = await start()
    const held = fetchText(address)
    await serving.line(/^1 waiting/)
    serving.signal('SIGTERM')
    await refused(port)
    const next = serve(fixture('slow.mjs'), '--workers', '1', '--port', String(port))
    expect(await fetchText(`${await next.address()}/quick`)).toBe('quick')
    process.kill(worker, 'SIGUSR2')
    expect(await held).toBe('last')
    expect(await serving.exit).toBe(0)
  })

  test.each(['SIGTERM', 'SIGINT'] as const)('%s: requests in flight are finished', async signal => {
    const { serving, address, port, worker } = await start()
    const agent = new Agent({ keepAlive: true })
    const answers = Array.from({ length: inFlight }, async (_, index) => {
      const [response] = await once(get(`${address}/${index % 2 ? 'streamed' : ''}`, { agent }), 'response')
      return text(response)
    })
    await serving.line(new RegExp(`^${inFlight} waiting`))
    serving.signal(signal)
    await refused(port)
    process.kill(worker, 'SIGUSR2')
    const expected = Array.from({ length: inFlight }, (_, index) => (index % 2 ? 'first,last' : 'last'))
    expect(await Promise.all(answers)).toEqual(expected)
    expect(await serving.exit).toBe(0)
    expect(serving.lines).toContain(`closed ${worker}`)
  })

  test('of several workers none takes connections any more, while one still answers', async () => {
    const { serving, address, port } = await start(2)
    const pids = await serving.pids()
    const [response] = await once(get(`${address}/streamed`, { agent: new Agent() }), 'response')
    serving.signal('SIGTERM')
    await refused(port)
    // One of them may have ended already.
    for (const pid of pids) if (isRunning(pid)) process.kill(pid, 'SIGUSR2')
    expect(await text(response)).toBe('first,last')
    expect(await serving.exit).toBe(0)
  })

  test('a connection that was promised to take one more request, by an answer under way, does', async () => {
    const { serving, address, port, worker } = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const [first] = await once(get(`${address}/streamed`, { agent }), 'response')
    serving.signal('SIGTERM')
    await refused(port)
    process.kill(worker, 'SIGUSR2')
    expect(await text(first)).toBe('first,last')
    const request = get(`${address}/quick`, { agent })
    const [second] = await once(request, 'response')
    expect([request.reusedSocket, await text(second), second.headers.connection]).toEqual([
      true,
      'quick',
      'close',
    ])
    expect(await serving.exit).toBe(0)
  })

  test('a close that the module sets while it starts is called', async () => {
    const serving = serve(fixture('opens.mjs'), '--workers', '1')
    await serving.address()
    const [worker] = await serving.pids()
    serving.signal('SIGTERM')
    expect(await serving.exit).toBe(0)
    expect(serving.lines).toContain(`closed ${worker}`)
  })

  test('a request on a connection that was idle is answered, and the connection then closed', async () => {
    const { serving, address } = await start()
    const agent = new Agent({ keepAlive: true, maxSockets: 1 })
    const [first] = await once(get(`${address}/quick`, { agent }), 'response')
    await text(first)
    serving.signal('SIGTERM')
    await refused(Number(new URL(address).port))
    const request = get(`${address}/quick`, { agent })
    const [second] = await once(request, 'response')
    expect(request.reusedSocket).toBe(true)
    expect(await text(second)).toBe('quick')
    expect(second.headers.connection).toBe('close')
    expect(await serving.exit).toBe(0)
  })

  test('connections without a request, as browsers open in advance, hold nothing up', async () => {
    const { serving, address, port } = await start()
    const silent = connect(port, '127.0.0.1')
    await once(silent, 'connect')
    await fetchText(`${address}/quick`)
    serving.signal('SIGTERM')
    await once(silent, 'close')
    expect(await serving.exit).toBe(0)
  })

  test('a second one ends at once', async () => {
    const { serving, address, port } = await start()
    const held = fetchText(address).catch((error: Error) => error)
    await serving.line(/^1 waiting/)
    serving.signal('SIGTERM')
    await refused(port)
    while (serving.process.exitCode === null) {
      serving.signal('SIGTERM')
      await sleep(50)
    }
    expect(await serving.exit).toBe(143)
    expect(await held).toBeInstanceOf(Error)
  })

  test('while the workers still start, it ends them', async () => {
    const serving = serve(fixture('never-starts.mjs'), '--workers', '2')
    await serving.line(/^loading/)
    serving.signal('SIGTERM')
    expect(await serving.exit).toBe(0)
    expect(serving.output).not.toMatch(/Listening/)
  })
})

test('SIGTERM to one worker: another serves in its place while it finishes', async () => {
  const { serving, address, worker } = await start()
  const held = fetchText(address)
  await serving.line(/^1 waiting/)
  process.kill(worker, 'SIGTERM')
  await serving.line(/^Worker \d+ took its place/)
  expect(await fetchText(`${address}/quick`)).toBe('quick')
  process.kill(worker, 'SIGUSR2')
  expect(await held).toBe('last')
  await serving.line(new RegExp(`^closed ${worker}$`))
})

test('SIGTERM: what came to the sockets of those that had died is finished by whoever stood in for them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-stop-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const [late, file] = [join(folder, 'late'), join(folder, 'held')]
  const serving = new Serving([fixture('held.mjs'), '--workers', '5'], { LATE: late, HELD: file })
  const address = await serving.address()
  const pids = await serving.pids()
  writeFileSync(late, '')
  writeFileSync(file, '')
  for (const victim of pids.slice(1)) {
    process.kill(victim, 'SIGKILL')
    await serving.line(new RegExp(`^Worker ${victim} .*Starting another`))
  }
  const held = Array.from({ length: 24 }, () => fetchText(`${address}/held`))
  await expect.poll(() => serving.lines.filter(line => line.startsWith('held')).length).toBe(held.length)
  serving.signal('SIGTERM')
  await refused(Number(new URL(address).port))
  rmSync(file)
  expect(new Set(await Promise.all(held))).toEqual(new Set([String(pids[0])]))
  expect(await serving.exit).toBe(0)
})

test('SIGTERM, while a dead worker has been replaced by a renewal: it ends as soon as all have finished', async () => {
  const serving = serve(fixture('crashes-at.mjs'), '--workers', '1', '--stop-timeout', '100')
  const address = await serving.address()
  for (let deaths = 0; deaths < 5; deaths++) {
    await fetchText(`${address}/crash`).catch(() => undefined)
    await expect
      .poll(() => serving.lines.filter(line => /Starting another/.test(line)).length)
      .toBe(deaths + 1)
  }
  // It waits before it starts the next one.
  serving.signal('SIGHUP')
  await serving.line(/all new /)
  serving.signal('SIGTERM')
  expect(await serving.exit).toBe(0)
})
