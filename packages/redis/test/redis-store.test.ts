import { setTimeout as sleep } from 'node:timers/promises'
import KeyvRedis, { createClient } from '@keyv/redis'
import type { SessionStore } from '@sojourn/core'
import { freePort, RedisServer } from '@sojourn/redis-servers'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { redisStore } from '../src/index.ts'

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())

const opened: SessionStore[] = []
function open(...options: Parameters<typeof redisStore>): SessionStore {
  const store = redisStore(...options)
  opened.push(store)
  return store
}
afterEach(() => Promise.all(opened.splice(0).map(store => store.close())))

const record = (data: Record<string, unknown> = {}) => ({
  data,
  createdAt: Date.now(),
  expiresAt: Date.now() + 60_000,
})

describe('redisStore', () => {
  it('keeps a session as one readable JSON text under session:<id>, with an expiry of its own', async () => {
    const store = open(server.url)
    const { token } = await store.create(record({ theme: 'dark' }))
    const keyv = new KeyvRedis(server.url)
    expect(JSON.parse(String(await keyv.get(`session:${token}`)))).toMatchObject({
      version: 1,
      data: { theme: 'dark' },
    })
    await keyv.disconnect()
  })

  it('C1: is unavailable, never empty, while the server is down, and back when it is', async () => {
    const own = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    const store = open(own.url)
    const { token } = await store.create(record({ a: 1 }))
    await own.kill()
    await expect(store.load(token)).rejects.toThrow()
    await expect(store.update(token, { set: { a: 2 } })).rejects.toThrow()
    await expect(store.destroy(token)).rejects.toThrow()
    await own.run()
    await expect
      .poll(() => store.load(token).catch(() => null), { timeout: 5000 })
      .toMatchObject({ record: { data: { a: 1 } } })
    await own.stop()
  })

  it('I5: a script that the server has forgotten is sent again', async () => {
    const store = open(server.url)
    const { token } = await store.create(record())
    const keyv = new KeyvRedis(server.url)
    const client = await keyv.getClient()
    await store.update(token, { set: { a: 1 } })
    await (client as unknown as { scriptFlush(): Promise<unknown> }).scriptFlush()
    expect(await store.update(token, { set: { b: 2 } })).toMatchObject({ status: 'written', version: '3' })
    await keyv.disconnect()
  })
})

describe('a client of your own', () => {
  it('is used as it is, and stays open', async () => {
    const client = await createClient({ url: server.url }).connect()
    onTestFinished(() => client.destroy())
    const store = redisStore(client)
    const { token } = await store.create(record())
    expect(await store.load(token)).not.toBeNull()
    await store.close()
    expect(client.isOpen).toBe(true)
  })

  it('is opened if it was not, and then closed with the store', async () => {
    const client = createClient({ url: server.url })
    const store = redisStore(client)
    await store.create(record())
    await store.close()
    expect(client.isOpen).toBe(false)
  })

  it('that can not be opened yet gets no more listeners with time, and is used once it can', async () => {
    const port = await freePort()
    const client = createClient({ url: `redis://127.0.0.1:${port}` })
    const store = redisStore(client, { timeout: 100 })
    onTestFinished(() => store.close())
    const counts = new Set<number>()
    for (let n = 0; n < 6; n++) {
      await expect(store.load('a'.repeat(43))).rejects.toMatchObject({ status: 503 })
      counts.add(client.listenerCount('error'))
      await sleep(100)
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.min(...counts) + 1)
    const late = await RedisServer.startAt(port)
    onTestFinished(() => late.stop())
    while ((await store.create(record()).catch(() => undefined)) === undefined) await sleep(20)
  })
})

it.each(['localhost:6379', 'redis//x', 'http://localhost'])(
  'refuses %s as an address, with what it may be',
  url => {
    expect(() => redisStore(url)).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_SETTING', message: expect.stringContaining('redis://') }),
    )
  },
)
