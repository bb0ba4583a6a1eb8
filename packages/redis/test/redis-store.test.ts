import KeyvRedis from '@keyv/redis'
import { openSessions, type SessionStore } from '@sojourn/core'
import { freePort, RedisServer } from '@sojourn/redis-servers'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
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

describe('selection', () => {
  const secret = 'x'.repeat(32)
  const logger = { info: () => {}, warn: () => {}, error: () => {} }

  it('opens Redis from SESSION_REDIS_URL, which wins over REDIS_URL', async () => {
    const sessions = await openSessions({
      secret,
      logger,
      env: { SESSION_REDIS_URL: server.url, REDIS_URL: 'redis://127.0.0.1:1' },
    })
    expect(sessions.store.name).toBe('redis')
    await sessions.close()
  })

  it('fails the start when nothing listens', async () => {
    const port = await freePort()
    const env = { REDIS_URL: `redis://127.0.0.1:${port}` }
    await expect(openSessions({ secret, logger, env })).rejects.toMatchObject({
      code: 'ERR_SESSION_STORE_UNAVAILABLE',
    })
  })
})
