// What a session costs as there are more of them, or as it is larger, and what a cleanup costs meanwhile. Prints tables; takes some
// minutes. A million sessions in Redis are redis-growth's. Arguments: which of `count`, `size` and `cleanup`; default all.
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import type { SessionStore } from '@sojourn/core'
import { filesystemStore } from '@sojourn/filesystem'
import { redisStore } from '@sojourn/redis'
import { RedisServer } from '@sojourn/redis-servers'
import { day, quiet } from './subjects/subject.ts'
import { quantile, row, times, timesOf } from './timing.ts'

const runs = 2000
/** Milliseconds until a store's first cleanup. */
const wait = 500

/** A session of about so many bytes, in ten keys. */
function dataOf(bytes: number): Record<string, unknown> {
  const text = 'x'.repeat(Math.max(1, Math.round(bytes / 10) - 12))
  return Object.fromEntries(Array.from({ length: 10 }, (_, i) => [`key-${i}`, text]))
}

let users = 0

/** A sign-in: each of somebody else. */
async function create(store: SessionStore, bytes: number, life = day): Promise<string> {
  const now = Date.now()
  const record = { data: dataOf(bytes), userId: `user-${users++}`, createdAt: now, expiresAt: now + life }
  return (await store.create(record)).token
}

/** The median and the 99th percentile of each operation on a store, once it has so many sessions of this size. */
async function costs(store: SessionStore, count: number, bytes: number): Promise<string[]> {
  const tokens: string[] = []
  await times(count, 64, async () => void tokens.push(await create(store, bytes)))
  const any = () => tokens[Math.floor(Math.random() * tokens.length)] ?? ''
  const works = [
    () => store.load(any()),
    (at: number) => store.update(any(), { set: { 'key-0': at } }),
    () => create(store, bytes),
  ]
  const cells: string[] = []
  for (const work of works) {
    await timesOf(runs / 10, work)
    const took = await timesOf(runs, work)
    cells.push(`${quantile(took, 0.5)}, ${quantile(took, 0.99)}`)
  }
  return cells
}

const redis = await RedisServer.start()
const folders: string[] = []

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-growth-'))
  folders.push(folder)
  return folder
}

function onFiles(directory: string, cleanupInterval = day): SessionStore {
  return filesystemStore({ directory, threshold: 0, logger: quiet, cleanupInterval })
}

/** As `Cleanup` counts them. */
function countIn(folder: string): number {
  return statSync(join(folder, 'created')).size - statSync(join(folder, 'destroyed')).size
}

async function byCount(): Promise<void> {
  process.stdout.write('\n### Sessions on the filesystem: median, p99 of each operation, of 2 KB\n\n')
  row('sessions', 'load', 'update', 'create')
  row('---', '---', '---', '---')
  for (const count of [1, 1000, 100_000]) {
    const store = onFiles(newFolder())
    row(count, ...(await costs(store, count, 2000)))
    await store.close()
  }
}

async function bySize(): Promise<void> {
  process.stdout.write(
    '\n### Size: median, p99 of each operation, with 100 sessions; an update sets one of ten keys\n\n',
  )
  row('store', 'size', 'load', 'update', 'create')
  row('---', '---', '---', '---', '---')
  for (const name of ['redis', 'filesystem']) {
    for (const bytes of [200, 2000, 20_000, 200_000]) {
      const store = name === 'redis' ? redisStore(redis.url) : onFiles(newFolder())
      row(name, `${bytes / 1000} KB`, ...(await costs(store, 100, bytes)))
      await store.close()
    }
  }
}

async function cleanups(): Promise<void> {
  process.stdout.write(
    '\n### A cleanup that removes all but one, while that one is loaded, again and again\n\n',
  )
  row('files', 'duration', 'slowest load meanwhile', 'slowest load before', 'memory')
  row('---', '---', '---', '---', '---')
  for (const count of [1000, 10_000, 100_000]) {
    const folder = newFolder()
    const filling = onFiles(folder)
    await times(count, 64, () => create(filling, 500, 10))
    await filling.close()
    const store = onFiles(folder, wait)
    const token = await create(store, 500)
    const before = process.memoryUsage.rss()
    const slowest = { before: 0, meanwhile: 0 }
    let memory = 0
    const opened = performance.now()
    let asked = opened
    while (countIn(folder) > 1) {
      // With what a request waits for: a turn of the cleanup that is before it.
      await setImmediate()
      await store.load(token)
      const now = performance.now()
      const took = now - asked
      const when = asked - opened < wait - 50 ? 'before' : 'meanwhile'
      asked = now
      slowest[when] = Math.max(slowest[when], took)
      memory = Math.max(memory, process.memoryUsage.rss() - before)
    }
    const duration = performance.now() - opened - wait
    const ms = (value: number) => `${value.toFixed(1)} ms`
    row(
      count,
      ms(duration),
      ms(slowest.meanwhile),
      ms(slowest.before),
      `${(memory / 2 ** 20).toFixed(0)} MB more`,
    )
    await store.close()
    await sleep(100)
  }
}

const parts = { count: byCount, size: bySize, cleanup: cleanups }
const chosen = process.argv.slice(2)

try {
  for (const [name, part] of Object.entries(parts))
    if (chosen.length === 0 || chosen.includes(name)) await part()
} finally {
  await redis.stop()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
}
