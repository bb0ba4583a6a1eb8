import type { SessionStore, UserIndex } from '@sojourn/core'
import { RedisServer } from '@sojourn/redis-servers'
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { redisStore } from '../src/index.ts'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())
beforeEach(() => server.command('FLUSHALL'))

function open(timeout = 2000): SessionStore & UserIndex {
  const store = redisStore(server.url, { timeout })
  onTestFinished(() => store.close())
  return store
}

const hour = 3_600_000
const record = (userId = 'ada', expiresAt = Date.now() + hour) => ({
  data: {},
  createdAt: Date.now(),
  expiresAt,
  userId,
})

const keys = async () => (await server.command('KEYS', '*')).split('\n').filter(Boolean)
const indexKey = async () => (await keys()).find(key => key.startsWith('session:user:')) ?? ''

async function listed(store: UserIndex, userId = 'ada'): Promise<string[]> {
  const tokens: string[] = []
  for await (const { token } of store.listByUser(userId)) tokens.push(token)
  return tokens
}

/** How many commands came in meanwhile: those of scripts are on the server, not on the way. */
async function commandsOf(work: () => Promise<unknown>): Promise<Record<string, number>> {
  await server.command('CONFIG', 'RESETSTAT')
  await work()
  const found = (await server.command('INFO', 'commandstats')).matchAll(
    /cmdstat_(get|set|evalsha|eval|strlen):calls=(\d+)/g,
  )
  return Object.fromEntries([...found].map(([, name, count]) => [name, Number(count)]))
}

it('a sign-in and a sign-out cost one more round trip, loading and changing none', async () => {
  const store = open()
  for (let warm = 0; warm < 2; warm++) await store.destroy((await store.create(record())).token)
  let token = ''
  const signIn = async () => {
    token = (await store.create(record(), { maxPerUser: 5 })).token
  }
  expect(await commandsOf(signIn)).toEqual({ evalsha: 1, set: 1 })
  expect(await commandsOf(() => store.load(token))).toEqual({ get: 1 })
  await store.update(token, { set: { warm: 1 } })
  expect(await commandsOf(() => store.update(token, { set: { a: 1 } }))).toEqual({
    evalsha: 1,
    get: 1,
    set: 1,
  })
  // Of the two scripts, the first looks at the session.
  expect(await commandsOf(() => store.destroy(token))).toEqual({ evalsha: 2, get: 1 })
})

it('neither the user nor an id is a part of the key, and the last sign-out takes it away', async () => {
  const store = open()
  const tokens = [(await store.create(record())).token, (await store.create(record())).token]
  expect(await indexKey()).toMatch(/^session:user:[\w-]{43}$/)
  for (const hidden of ['ada', ...tokens]) expect(await indexKey()).not.toContain(hidden)
  for (const token of tokens) await store.destroy(token)
  expect(await keys()).toEqual([])
})

it('the index of a user ends with the last limit of a session, whoever comes by', async () => {
  const store = open()
  const now = Date.now()
  await store.create(record(), { lastExpiry: now + 2 * hour })
  await store.create(record(), { lastExpiry: now + hour })
  const life = Number(await server.command('PTTL', await indexKey()))
  expect(life).toBeGreaterThan(1.9 * hour)
  expect(life).toBeLessThanOrEqual(2 * hour)
})

/** As a process leaves it that dies between the entry and the session, or between the end of the session and the entry. */
async function leaveAnEntry(store: SessionStore, seconds: number): Promise<string> {
  const { token } = await store.create(record())
  await server.command('DEL', `session:${token}`)
  const fields = (await server.command('HGETALL', await indexKey())).split('\n')
  const at = fields.findIndex(field => field.startsWith(`${token} `))
  const [, settled, number] = String(fields[at]).split(' ')
  const then = Number(settled) - seconds * 1000
  await server.command('HSET', await indexKey(), String(fields[at - 1]), `${token} ${then} ${number}`)
  return token
}

const entries = async () => Number(await server.command('HLEN', await indexKey())) - 1

it('what a killed process left in the index is never listed, and goes with the first look after a minute', async () => {
  const store = open()
  const { token } = await store.create(record())
  await leaveAnEntry(store, 50)
  expect(await listed(store)).toEqual([token])
  expect(await entries()).toBe(2)
  await leaveAnEntry(store, 61)
  expect(await listed(store)).toEqual([token])
  expect(await entries()).toBe(2)
})

it('each sign-in looks after what is left in the index, after its answer', async () => {
  const store = open()
  for (let left = 0; left < 5; left++) await leaveAnEntry(store, 61)
  const { token } = await store.create(record())
  await expect.poll(entries).toBe(1)
  expect(await listed(store)).toEqual([token])
})

it('what a killed process left in the index does not keep a sign-in out', async () => {
  const store = open()
  await leaveAnEntry(store, 61)
  await store.create(record(), { maxPerUser: 1, onMaxPerUser: 'refuse' })
  await leaveAnEntry(store, 0)
  const { token } = await store.create(record(), { maxPerUser: 1, onMaxPerUser: 'end-oldest' })
  expect(await listed(store)).toEqual([token])
})

it('a sign-in that is under way when all are ended does not become a session afterwards', async () => {
  const store = open()
  const token = await leaveAnEntry(store, 0)
  expect(await store.destroyByUser('ada')).toBe(0)
  expect(Number(await server.command('PTTL', `session:${token}`))).toBeGreaterThan(50_000)
  // As its process, which goes on now, does it.
  expect(await server.command('SET', `session:${token}`, 'its record', 'NX', 'PX', '60000')).toBe('')
  expect(await store.load(token)).toBeNull()
  expect(await store.update(token, { set: { a: 1 } })).toEqual({ status: 'gone' })
  expect(await listed(store)).toEqual([])
})

it('10,000 sessions of a user are listed page by page, and end', async () => {
  const store = open(30_000)
  const lanes = Array.from({ length: 20 }, async () => {
    for (let n = 0; n < 500; n++) await store.create(record())
  })
  await Promise.all(lanes)
  const seen = new Set<string>()
  let heap = 0
  const before = process.memoryUsage().heapUsed
  for await (const { token } of store.listByUser('ada')) {
    seen.add(token)
    if (seen.size % 1000 === 0) heap = Math.max(heap, process.memoryUsage().heapUsed - before)
  }
  expect(seen.size).toBe(10_000)
  expect(await store.destroyByUser('ada')).toBe(10_000)
  expect(await listed(store)).toEqual([])
  expect(heap).toBeLessThan(100 * 2 ** 20)
})
