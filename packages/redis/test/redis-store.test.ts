import KeyvRedis from '@keyv/redis'
import type { SessionStore } from '@sojourn/core'
import { RedisServer } from '@sojourn/redis-servers'
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
