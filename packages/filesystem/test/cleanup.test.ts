import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { BucketFiles } from '../src/bucket-files.ts'
import { filesystemStore } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'
import { startWorker } from './processes.ts'

const hour = 3_600_000

function buckets(directory: string): string[] {
  return readdirSync(join(directory, 'index-v5'), { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

function open(threshold: number, options: { cleanupInterval?: number } = {}) {
  const directory = temporaryFolder()
  const warnings: string[] = []
  const logger = {
    info: () => {},
    warn: (text: string) => warnings.push(text),
    error: (text: string) => warnings.push(text),
  }
  const store = filesystemStore({ directory, threshold, logger, ...options })
  const create = async (life: number) => {
    const now = Date.now()
    return (await store.create({ data: {}, createdAt: now, expiresAt: now + life })).token
  }
  return { directory, store, create, warnings }
}

/** How many live sessions the warnings say were ended. */
function counted(warnings: readonly string[]): number {
  return warnings.reduce((sum, text) => sum + Number(/ended (\d+) live/.exec(text)?.[1] ?? 0), 0)
}

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; !condition(); i++) {
    if (i > 1000) throw new Error('the condition did not come true')
    await sleep(10)
  }
}

describe('cleanup', () => {
  it('lets no more live than the threshold, ends those expiring soonest, and says how many', async () => {
    const { directory, store, create, warnings } = open(100)
    const tokens = []
    for (let i = 0; i < 150; i++) tokens.push(await create(hour + i * 1000))
    await store.close()
    const left = buckets(directory).length
    expect(left).toBeLessThanOrEqual(100)
    expect(left).toBeGreaterThanOrEqual(90)
    expect(counted(warnings)).toBe(150 - left)
    const again = filesystemStore({ directory, threshold: 100 })
    const alive = await Promise.all(tokens.map(async token => (await again.load(token)) !== null))
    expect(alive.lastIndexOf(false)).toBeLessThan(alive.indexOf(true))
    await again.close()
  })

  it('ends expired sessions first: no live one goes while that is enough', async () => {
    const { directory, store, create, warnings } = open(100)
    for (let i = 0; i < 60; i++) await create(30)
    const live = []
    await sleep(40)
    for (let i = 0; i < 60; i++) live.push(await create(hour))
    await until(() => buckets(directory).length === 60)
    expect(warnings).toEqual([])
    for (const token of live) expect(await store.load(token)).not.toBeNull()
    await store.close()
  })

  it('is as rare as was asked for, however rare that is', async () => {
    const { directory, store, create } = open(1000, { cleanupInterval: 30 * 24 * hour })
    await create(30)
    await sleep(150)
    expect(buckets(directory)).toHaveLength(1)
    await store.close()
  })

  it('removes expired sessions, and the folders they leave empty, when traffic has stopped', async () => {
    const { directory, store, create } = open(1000, { cleanupInterval: 50 })
    for (let i = 0; i < 20; i++) await create(30)
    await until(() => readdirSync(join(directory, 'index-v5')).length === 0)
    await store.close()
  })

  it('never ends a session that a request uses, in whichever process', async () => {
    const { directory, store, create } = open(50)
    const here = await create(hour)
    const there = await create(hour)
    const worker = await startWorker(directory, { threshold: 50 })
    store.hold(here)
    expect(await worker.ask('hold', { token: there })).toBe(true)
    for (let i = 0; i < 120; i++) await create(2 * hour)
    await until(() => buckets(directory).length <= 50)
    expect(await store.load(here)).not.toBeNull()
    expect(await store.load(there)).not.toBeNull()
    store.release(here)
    await worker.ask('release', { token: there })
    for (let i = 0; i < 120; i++) await create(2 * hour)
    await until(() => buckets(directory).length <= 50)
    expect(await store.load(here)).toBeNull()
    expect(await store.load(there)).toBeNull()
    await store.close()
  })

  it('believes the record, not the time of its file: a crash can leave that wrong', async () => {
    const { directory, store, create } = open(1000, { cleanupInterval: 50 })
    const token = await create(hour)
    const [bucket = ''] = buckets(directory)
    utimesSync(bucket, new Date(0), new Date(0))
    const expired = await create(1)
    await until(() => buckets(directory).length === 1)
    expect(await store.load(token)).not.toBeNull()
    expect(await store.load(expired)).toBeNull()
    await store.close()
  })

  it.each([
    ['the timer', { threshold: 1000, options: { cleanupInterval: 50 }, life: 30, left: 1 }],
    ['the threshold', { threshold: 20, options: {}, life: hour, left: 21 }],
  ])('by %s, is not stopped by an entry that can not be read, and says so', async (_, kind) => {
    const { directory, store, create, warnings } = open(kind.threshold, kind.options)
    await create(hour)
    const [bucket = ''] = buckets(directory)
    rmSync(bucket)
    mkdirSync(bucket)
    utimesSync(bucket, new Date(0), new Date(0))
    for (let i = 0; i < 30; i++) await create(kind.life)
    await until(() => buckets(directory).length < kind.left)
    await until(() => warnings.some(text => text.includes("files that it can't read or remove: 1, first")))
    expect(statSync(bucket).isDirectory()).toBe(true)
    await store.close()
  })

  it('that failed rests before it begins again', async () => {
    const { store, create, warnings } = open(1)
    const list = vi.spyOn(BucketFiles.prototype, 'list').mockRejectedValue(new Error('EIO'))
    onTestFinished(() => list.mockRestore())
    const began = performance.now()
    for (let i = 0; i < 20; i++) {
      await create(hour)
      await setImmediate()
    }
    expect(warnings).toContain('Session cleanup failed: EIO')
    expect(warnings.length).toBeLessThanOrEqual(1 + (performance.now() - began) / 1000)
    await store.close()
  })

  it('F5: ends a session that no load can read at the time of its file', async () => {
    const { directory, store, create } = open(1000, { cleanupInterval: 50 })
    const token = await create(hour)
    await store.update(token, { set: { a: 1 } })
    const [bucket = ''] = buckets(directory)
    writeFileSync(bucket, readFileSync(bucket, 'utf8').replace(/"expiresAt":\d+\}\}$/, '"expiresAt":9e15}}'))
    await expect(store.load(token)).rejects.toMatchObject({ code: 'ERR_SESSION_CORRUPT' })
    utimesSync(bucket, new Date(Date.now() + hour), new Date(Date.now() + hour))
    await sleep(200)
    expect(buckets(directory)).toHaveLength(1)
    utimesSync(bucket, new Date(0), new Date(0))
    await until(() => buckets(directory).length === 0)
    await store.close()
  })

  it('counts what comes and goes, not calls: destroys of what is gone hide nothing', async () => {
    const { directory, store, create } = open(100)
    const token = await create(hour)
    await Promise.all(Array.from({ length: 200 }, () => store.destroy(token)))
    for (let i = 0; i < 200; i++) await store.destroy('A'.repeat(43))
    for (let i = 0; i < 300; i++) await create(hour + i * 1000)
    await until(() => buckets(directory).length <= 100)
    await store.close()
  })

  it('counts sessions that a change ended, as every sign-in does: none live is ended for them', async () => {
    const { directory, store, create, warnings } = open(100)
    for (let i = 0; i < 300; i++) {
      const token = await create(hour)
      expect((await store.update(token, { expiresAt: 0 })).status).toBe('written')
    }
    expect(buckets(directory)).toHaveLength(0)
    expect((await store.health()).warnings).toEqual([])
    for (let i = 0; i < 100; i++) await create(hour)
    await sleep(50)
    expect(buckets(directory)).toHaveLength(100)
    expect(warnings).toEqual([])
    await store.close()
  })

  it('spares the session that a request has just created, if the request uses it', async () => {
    const { store, create } = open(1)
    const first = await create(2 * hour)
    store.hold(first)
    const second = await create(hour)
    store.hold(second)
    await sleep(50)
    expect(await store.load(first)).not.toBeNull()
    expect(await store.load(second)).not.toBeNull()
    store.release(first)
    store.release(second)
    await store.close()
  })

  it('does not look again and again while all are in use', async () => {
    const { directory, store, create } = open(10)
    const list = vi.spyOn(BucketFiles.prototype, 'list')
    onTestFinished(() => list.mockRestore())
    for (let i = 0; i < 40; i++) store.hold(await create(hour))
    await sleep(100)
    expect(buckets(directory)).toHaveLength(40)
    expect(list.mock.calls.length).toBeLessThanOrEqual(3)
    await store.close()
  })

  it('removes what killed processes left half-written, but not what may be at work', async () => {
    const { directory, store, create } = open(1000, { cleanupInterval: 50 })
    await create(hour)
    const stray = (name: string) => join(directory, 'tmp', name)
    mkdirSync(stray('old-folder'), { recursive: true })
    for (const name of ['old', 'young', 'old-folder/bucket'])
      writeFileSync(stray(name), '{"a session":"of somebody"}')
    const longAgo = new Date(Date.now() - 120_000)
    for (const name of ['old', 'old-folder']) utimesSync(stray(name), longAgo, longAgo)
    await until(() => readdirSync(join(directory, 'tmp')).length === 1)
    expect(readdirSync(join(directory, 'tmp'))).toEqual(['young'])
    await store.close()
  })

  it('goes on counting when the folder was removed from a running server', async () => {
    const { directory, store, create } = open(100)
    await create(hour)
    rmSync(directory, { recursive: true })
    const worker = await startWorker(directory, { threshold: 100 })
    await worker.ask('create', { count: 80 })
    for (let i = 0; i < 80; i++) await create(hour + i * 1000)
    await until(() => buckets(directory).length <= 100)
    await store.close()
  })

  it('has no limit with threshold 0', async () => {
    const { directory, store, create, warnings } = open(0)
    for (let i = 0; i < 120; i++) await create(hour)
    await store.close()
    expect(buckets(directory)).toHaveLength(120)
    expect(warnings).toEqual([])
  })

  it('counts over all processes: 1,500 sign-ins in four leave at most 1,000', async () => {
    const directory = temporaryFolder()
    const workers = await Promise.all([0, 1, 2, 3].map(() => startWorker(directory, { threshold: 1000 })))
    await Promise.all(workers.map(worker => worker.ask('create', { count: 375 })))
    await until(() => buckets(directory).length <= 1000)
    const warnings = (await Promise.all(workers.map(worker => worker.ask('warnings')))).flat() as string[]
    expect(counted(warnings)).toBe(1500 - buckets(directory).length)
  })

  it('keeps a bucket small, however often its session changes', async () => {
    const { directory, store, create } = open(0)
    const token = await create(hour)
    for (let i = 0; i < 200; i++) await store.update(token, { set: { i } })
    expect(statSync(buckets(directory)[0] ?? '').size).toBeLessThan(10_000)
    await store.close()
  })
})
