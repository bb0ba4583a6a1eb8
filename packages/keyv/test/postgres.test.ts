import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import KeyvPostgres from '@keyv/postgres'
import { testStore } from '@sojourn/conformance'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type KeyvAdapter, keyvStore } from '../src/index.ts'
import { PostgresServer } from './postgres-server.ts'
import { removalFor } from './removal.ts'

let server: PostgresServer
let adapter: KeyvPostgres

beforeAll(async () => {
  server = await PostgresServer.start()
  adapter = new KeyvPostgres(server.url)
  // Each adapter makes the table if it is not there, and two at the same moment fail.
  await adapter.has('table')
})

afterAll(async () => {
  await adapter?.disconnect()
  await server?.stop()
})

/** All adapters of a process have one pool: a store that closes it would close it for the others. */
function withoutDisconnect(adapter: KeyvAdapter): KeyvAdapter {
  return {
    get: key => adapter.get(key),
    set: (key, value) => adapter.set(key, value),
    delete: key => adapter.delete(key),
  }
}

testStore({ describe, it }, '@keyv/postgres', () =>
  keyvStore(withoutDisconnect(new KeyvPostgres(server.url))),
)

describe('@keyv/postgres', () => {
  const createdAt = Date.now()

  it("README's statement removes what expired, and nothing else", async () => {
    const store = keyvStore(withoutDisconnect(adapter))
    const lives = await store.create({ data: {}, createdAt, expiresAt: Date.now() + 60_000 })
    const expired = await store.create({ data: {}, createdAt, expiresAt: Date.now() - 1 })
    expect(await adapter.has(`session:${expired.token}`)).toBe(true)
    await adapter.query(await removalFor('PostgreSQL'))
    expect(await adapter.has(`session:${expired.token}`)).toBe(false)
    expect(await store.load(lives.token)).not.toBeNull()
  })

  it('as README says, a restart of the database ends a process with idle connections', async () => {
    const own = await PostgresServer.start()
    const program = join(import.meta.dirname, 'fixtures', 'idle-postgres.ts')
    const child = spawn(process.execPath, ['--conditions=@sojourn/source', program, own.url])
    const exited = once(child, 'exit')
    await once(child.stdout, 'data')
    await own.halt()
    expect((await exited)[0]).toBe(1)
    await own.stop()
  })

  it('C1: a database that is not there is an error, never "no session"', async () => {
    const own = await PostgresServer.start()
    await own.halt()
    const store = keyvStore(withoutDisconnect(new KeyvPostgres(own.url)))
    await expect(store.load('A'.repeat(43))).rejects.toThrow('ECONNREFUSED')
    await own.stop()
  })
})
