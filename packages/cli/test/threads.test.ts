import { expect, test } from 'vitest'
import { fetchText, fixture, type Serving, serve } from './serving.ts'

/** All that answer, by their process and thread. */
async function answering(address: string, count: number): Promise<Set<string>> {
  const seen = new Set<string>()
  while (seen.size < count) seen.add(await fetchText(address))
  return seen
}

function threads(file: string, count: number): Serving {
  return serve(fixture(file), '--server', 'threads', '--threads', String(count))
}

test('as many threads of one process answer as were asked for', async () => {
  const serving = threads('who.mjs', 3)
  const seen = await answering(await serving.address(), 3)
  const pids = await serving.pids()
  expect(pids).toHaveLength(1)
  expect(new Set([...seen].map(id => Number(id.split('.')[0])))).toEqual(new Set(pids))
  await serving.line(/^Threads: 3, as set/)
})

test('a thread that dies: its process finishes, is replaced, and says why', async () => {
  const serving = threads('who.mjs', 2)
  const address = await serving.address()
  const [pid] = await serving.pids()
  await fetchText(`${address}/crash`).catch(() => undefined)
  await serving.line(/out of luck/)
  await serving.line(new RegExp(`^Worker ${pid} ended with code 1. Starting another`))
  await serving.line(/took its place/)
  expect([...(await answering(address, 2))].join()).not.toContain(`${pid}.`)
})

test('a module that fails does so once, with its message', async () => {
  const serving = threads('broken-start.mjs', 3)
  expect(await serving.exit).toBe(1)
  expect(serving.lines.filter(line => /the database has no tables/.test(line))).toHaveLength(1)
})

test('SIGTERM ends them with exit code 0', async () => {
  const serving = threads('who.mjs', 2)
  await answering(await serving.address(), 2)
  serving.signal('SIGTERM')
  expect(await serving.exit).toBe(0)
})
