import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import KeyvSqlite from '@keyv/sqlite'
import { testStore } from '@sojourn/conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { keyvStore } from '../src/index.ts'
import { removalFor } from './removal.ts'

const memory = '/dev/shm'
let folder: string

beforeAll(async () => {
  // SQLite waits for the disk at each write: in memory the same takes a tenth of the time.
  folder = await mkdtemp(join(existsSync(memory) ? memory : tmpdir(), 'sojourn-sqlite-'))
})

afterAll(() => rm(folder, { recursive: true }))

const open = (file = 'sessions.db') =>
  new KeyvSqlite({ uri: `sqlite://${folder}/${file}`, busyTimeout: 2000 })

testStore({ describe, it }, '@keyv/sqlite', () => keyvStore(open()))

describe('@keyv/sqlite', () => {
  const createdAt = Date.now()

  it("README's statement removes what expired, and nothing else", async () => {
    const adapter = open()
    const store = keyvStore(adapter)
    const lives = await store.create({ data: {}, createdAt, expiresAt: Date.now() + 60_000 })
    const expired = await store.create({ data: {}, createdAt, expiresAt: Date.now() - 1 })
    expect(await adapter.has(`session:${expired.token}`)).toBe(true)
    await adapter.query(await removalFor('SQLite'))
    expect(await adapter.has(`session:${expired.token}`)).toBe(false)
    expect(await store.load(lives.token)).not.toBeNull()
    await store.close()
  })

  it('C1: a file that can not be opened is an error, never "no session"', async () => {
    const store = keyvStore(open('no/such/folder.db'))
    await expect(store.load('A'.repeat(43))).rejects.toThrow('SQLITE_CANTOPEN')
  })
})
