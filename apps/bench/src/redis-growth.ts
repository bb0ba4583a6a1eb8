// Bytes per session and load latency with 1,000 and with 1,000,000 sessions in one Redis: Sojourn and connect-redis, which
// keep the same. Prints a table. Takes some minutes and 2 GB of memory.
import { redisStore } from '@sojourn/redis'
import { RedisServer } from '@sojourn/redis-servers'
import { RedisStore } from 'connect-redis'
import session, { type Cookie } from 'express-session'
import { createClient } from 'redis'
import { quantile, row, times, timesOf } from './timing.ts'

const counts = [1_000, 1_000_000]
const atOnce = 256
const looks = 20_000
const day = 24 * 60 * 60 * 1000

/** Signed-in users with none to 20 items in the cart: Redis rounds what it keeps up, so one length alone would tell little. */
const data = Array.from({ length: 21 }, (_, items) => ({
  cart: Array.from({ length: items }, (_, i) => ({
    sku: `item-${1000 + i}`,
    quantity: 1 + (i % 3),
    price: 1999 + i,
  })),
  theme: 'dark',
}))

declare module 'express-session' {
  interface SessionData {
    cart: object[]
    theme: string
    userId: string
  }
}

/** A store as this measures it. */
interface Subject {
  readonly name: string
  /** Keeps a session; its id. */
  create(at: number): Promise<string>
  load(id: string): Promise<unknown>
  close(): Promise<unknown>
}

const subjects: readonly ((url: string) => Promise<Subject>)[] = [
  async url => sojourn('Sojourn', url, false),
  async url => sojourn('Sojourn, listed for its user', url, true),
  async url => {
    const client = createClient({ url })
    await client.connect()
    const store = new RedisStore({ client, ttl: day / 1000 })
    return {
      name: 'connect-redis',
      create: async at => {
        const id = crypto.randomUUID().replaceAll('-', '')
        await store.set(id, { ...dataOf(at), userId: userOf(at), cookie: cookie() })
        return id
      },
      load: async id => store.get(id),
      close: () => client.close(),
    }
  },
]

/** Each session is somebody else's. */
function userOf(at: number): string {
  return `user-${at}`
}

/** @param listed whether `sessions.ofUser` finds a session; if not, it has its user in its data, as connect-redis' has */
function sojourn(name: string, url: string, listed: boolean): Subject {
  const store = redisStore(url)
  return {
    name,
    create: async at => {
      const now = Date.now()
      const owner = { userId: userOf(at) }
      const record = { data: dataOf(at), createdAt: now, expiresAt: now + day }
      const whole = listed ? { ...record, ...owner } : { ...record, data: { ...record.data, ...owner } }
      return (await store.create(whole)).token
    },
    load: id => store.load(id),
    close: () => store.close(),
  }
}

function dataOf(at: number): { cart: object[]; theme: string } {
  return data[at % data.length] ?? { cart: [], theme: '' }
}

function cookie(): Cookie {
  const own = new session.Cookie()
  own.maxAge = day
  return own
}

async function usedBytes(server: RedisServer): Promise<number> {
  return Number(/used_memory:(\d+)/.exec(await server.command('INFO', 'memory'))?.[1])
}

row('', 'sessions', 'bytes per session', 'load, median', 'load, p99', 'loads per second, 64 at once')
row('---', '---', '---', '---', '---', '---')
for (const count of counts) {
  for (const open of subjects) {
    const server = await RedisServer.start()
    const subject = await open(server.url)
    try {
      const before = await usedBytes(server)
      const ids: string[] = []
      await times(count, atOnce, async at => void ids.push(await subject.create(at)))
      const bytes = Math.round(((await usedBytes(server)) - before) / count)
      const lookAtAny = () => subject.load(ids[Math.floor(Math.random() * ids.length)] ?? '')
      await times(looks, 64, lookAtAny)
      const took = await timesOf(looks, lookAtAny)
      const begun = performance.now()
      await times(looks, 64, lookAtAny)
      const rate = Math.round(looks / ((performance.now() - begun) / 1000))
      row(subject.name, count, bytes, quantile(took, 0.5), quantile(took, 0.99), rate)
    } finally {
      await subject.close()
      await server.stop()
    }
  }
}
