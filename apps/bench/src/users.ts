// What sign-in, sign-out, listing and ending all cost a user with 1, 100 and 10,000 sessions: in one Redis, in a Cluster and on
// the filesystem. Prints a table. Takes some minutes.
import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { SessionStore, UserIndex } from '@sojourn/core'
import { filesystemStore } from '@sojourn/filesystem'
import { redisStore } from '@sojourn/redis'
import { RedisCluster, RedisServer } from '@sojourn/redis-servers'
import { row } from './timing.ts'

const counts = [1, 100, 10_000]
const signIns = 200
const day = 24 * 60 * 60 * 1000
/** No store may give up because the machine is busy. */
const timeout = 30_000

interface Place {
  readonly name: string
  readonly store: SessionStore & UserIndex
  readonly close: () => Promise<unknown>
}

const places: readonly (() => Promise<Place>)[] = [
  async () => {
    const server = await RedisServer.start()
    return { name: 'Redis', store: redisStore(server.url, { timeout }), close: () => server.stop() }
  },
  async () => {
    const cluster = await RedisCluster.start()
    const rootNodes = cluster.servers.map(({ url }) => ({ url }))
    return {
      name: 'Redis Cluster',
      store: redisStore({ rootNodes }, { timeout }),
      close: () => cluster.stop(),
    }
  },
  async () => {
    const directory = mkdtempSync(join('/dev/shm', 'sojourn-users-'))
    const store = filesystemStore({ directory, threshold: 0, lockTimeout: timeout })
    return {
      name: 'filesystem',
      store,
      close: async () => rmSync(directory, { recursive: true, force: true }),
    }
  },
]

function recordOf(userId?: string) {
  const createdAt = Date.now()
  return {
    data: { theme: 'dark' },
    createdAt,
    expiresAt: createdAt + day,
    ...(userId !== undefined && { userId }),
  }
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await work()
  return performance.now() - begun
}

/** The medians of beginning a session and of ending it, in ms. */
async function signInAndOut(
  store: SessionStore,
  userId: string | undefined,
  maxPerUser = 0,
): Promise<number[]> {
  const begins: number[] = []
  const ends: number[] = []
  for (let n = 0; n < signIns; n++) {
    let token = ''
    const options = { lastExpiry: Date.now() + 30 * day, maxPerUser }
    begins.push(
      await timed(async () => {
        token = (await store.create(recordOf(userId), options)).token
      }),
    )
    ends.push(await timed(() => store.destroy(token)))
  }
  return [median(begins), median(ends)]
}

async function list(store: UserIndex, userId: string): Promise<number> {
  let found = 0
  for await (const _ of store.listByUser(userId)) found++
  return found
}

function median(times: readonly number[]): number {
  return times.toSorted((a, b) => a - b)[times.length >> 1] ?? 0
}

const ms = (value: number) => `${value < 10 ? value.toFixed(2) : Math.round(value)} ms`

row('', 'sessions', 'sign-in', 'sign-in, limited', 'sign-out', 'list', 'end all')
row(...Array.from({ length: 7 }, () => '---'))
for (const open of places) {
  const { name, store, close } = await open()
  await signInAndOut(store, undefined)
  const [begin = 0, end = 0] = await signInAndOut(store, undefined)
  row(name, 'of nobody', ms(begin), '', ms(end), '', '')
  for (const count of counts) {
    const userId = `user with ${count}`
    const lanes = Array.from({ length: Math.min(20, count) }, async () => {
      for (let n = 0; n < count / Math.min(20, count); n++) await store.create(recordOf(userId))
    })
    await Promise.all(lanes)
    const [signIn = 0, signOut = 0] = await signInAndOut(store, userId)
    const [limited = 0] = await signInAndOut(store, userId, count + 1)
    const lists: number[] = []
    for (let n = 0; n < (count > 1000 ? 3 : 20); n++) lists.push(await timed(() => list(store, userId)))
    const all = await timed(() => store.destroyByUser(userId))
    const times = [signIn, limited, signOut, median(lists), all].map(ms)
    row(name, count.toLocaleString('en'), ...times)
  }
  await store.close()
  await close()
}
