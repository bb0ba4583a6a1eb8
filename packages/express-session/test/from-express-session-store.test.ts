import { mkdtemp, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testStore } from '@sojourn/conformance'
import { RedisServer } from '@sojourn/redis-servers'
import { RedisStore } from 'connect-redis'
import session from 'express-session'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { fromExpressSessionStore } from '../src/index.ts'

// It has no types of its own.
const require = createRequire(import.meta.url)
const FileStore = require('session-file-store')(session)
let server: RedisServer
let client: ReturnType<typeof createClient>
let folder: string

beforeAll(async () => {
  server = await RedisServer.start()
  client = createClient({ url: server.url })
  await client.connect()
  folder = await mkdtemp(join(tmpdir(), 'sojourn-file-store-'))
})

afterAll(async () => {
  client?.destroy()
  await server?.stop()
  await rm(folder, { recursive: true })
})

testStore({ describe, it }, "express-session's MemoryStore", () =>
  fromExpressSessionStore(new session.MemoryStore()),
)
testStore({ describe, it }, 'connect-redis', () => fromExpressSessionStore(new RedisStore({ client })))
testStore({ describe, it }, 'session-file-store', () =>
  fromExpressSessionStore(
    new FileStore({ path: folder, retries: 0, reapInterval: -1, logFn: () => undefined }),
  ),
)

describe('fromExpressSessionStore', () => {
  it('promises no more than such a store can do', () => {
    const memory = fromExpressSessionStore(new session.MemoryStore())
    const redis = fromExpressSessionStore(new RedisStore({ client }))
    expect(memory.supports).toMatchObject({
      sharedAcrossProcesses: false,
      atomicUpdate: false,
      userIndex: false,
    })
    expect(redis.supports).toMatchObject({
      sharedAcrossProcesses: true,
      atomicUpdate: false,
      userIndex: false,
    })
  })

  it('C1: a store that is down is an error, never "no session"', async () => {
    const gone = createClient({ url: server.url, disableOfflineQueue: true }).on('error', () => undefined)
    const store = fromExpressSessionStore(new RedisStore({ client: gone }))
    await expect(store.load('A'.repeat(43))).rejects.toThrow()
    await expect(store.destroy('A'.repeat(43))).rejects.toThrow()
  })

  it('C1: a record that is damaged is an error as well', async () => {
    const prefix = 'damaged:'
    const store = fromExpressSessionStore(new RedisStore({ client, prefix }))
    const now = Date.now()
    const { token } = await store.create({ data: { a: 1 }, createdAt: now, expiresAt: now + 60_000 })
    await client.set(`${prefix}${token}`, '{"cookie":')
    await expect(store.load(token)).rejects.toThrow()
  })
})
