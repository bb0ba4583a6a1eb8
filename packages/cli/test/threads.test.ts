import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'
import { fetchText, fixture, Serving, serve } from './serving.ts'

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
  await serving.line(new RegExp(`^Worker ${pid} is stopping. Starting another`))
  await serving.line(/took its place/)
  expect([...(await answering(address, 2))].join()).not.toContain(`${pid}.`)
})

test('a thread that dies: what the others have in flight is finished, while another process serves', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-threads-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const late = join(folder, 'late')
  writeFileSync(late, '')
  const serving = new Serving([fixture('who.mjs'), '--server', 'threads', '--threads', '2'], { LATE: late })
  const address = await serving.address()
  const [pid] = await serving.pids()
  const own = (path: string) => get(address + path, { agent: new Agent() })
  const held: { thread: string; answer: Promise<string> }[] = []
  // Until both threads hold one.
  while (new Set(held.map(({ thread }) => thread)).size < 2) {
    const before = serving.lines.filter(line => line.startsWith('held by')).length
    const answer = once(own('/held'), 'response').then(([response]) => text(response))
    answer.catch(() => undefined)
    const heldBy = () => serving.lines.filter(line => line.startsWith('held by'))
    await expect.poll(() => heldBy().length).toBe(before + 1)
    held.push({ thread: heldBy().at(-1)?.split(' ')[2] ?? '', answer })
  }
  own('/crash').on('error', () => undefined)
  await serving.line(/A thread ended with code 1/)
  // Meanwhile others serve.
  await serving.line(/took its place/)
  expect(await fetchText(address)).not.toContain(`${pid}.`)
  rmSync(late)
  const answers = await Promise.allSettled(held.map(({ answer }) => answer))
  const finished = answers.flatMap((each, at) => (each.status === 'fulfilled' ? [held[at]?.thread] : []))
  // All of the thread that lives, none of the one that died.
  const alive = new Set(finished)
  expect(alive.size).toBe(1)
  expect(finished).toEqual(held.map(({ thread }) => thread).filter(thread => alive.has(thread)))
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

test('a thread that dies before the others listen is noticed', async () => {
  const serving = threads('dies-alone.mjs', 2)
  await serving.line(/^A thread ended with code 1: its process finishes and is replaced/)
})
