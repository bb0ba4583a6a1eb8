import { testStore } from '@sojourn/conformance'
import Keyv from 'keyv'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { keyvStore } from '../src/index.ts'

testStore({ describe, it }, 'Keyv over a Map', () => keyvStore(new Map()))
testStore({ describe, it }, 'a Keyv instance', () => keyvStore(new Keyv()))

describe('keyvStore', () => {
  it('declares atomic updates only for an adapter that has them', () => {
    expect(keyvStore(new Map()).supports).toMatchObject({ atomicUpdate: false, sharedAcrossProcesses: false })
  })

  it('C1: an adapter that fails is unavailable, never "no session"', async () => {
    const down = {
      get: () => Promise.reject(new Error('ECONNREFUSED')),
      set: () => Promise.resolve(false),
      delete: () => Promise.reject(new Error('ECONNREFUSED')),
    }
    const store = keyvStore(down)
    await expect(store.load('A'.repeat(43))).rejects.toThrow('ECONNREFUSED')
    await expect(store.destroy('A'.repeat(43))).rejects.toThrow('ECONNREFUSED')
  })

  it('C1 C4 C6: a Keyv instance over a storage that fails is unavailable, though it swallows errors by default', async () => {
    const storage = new Map<string, unknown>()
    let down = false
    const failing = <T>(work: () => T) => (down ? Promise.reject(new Error('ECONNREFUSED')) : work())
    const store = keyvStore(
      new Keyv({
        store: {
          get: (key: string) => failing(() => storage.get(key)),
          set: (key: string, value: unknown) => failing(() => storage.set(key, value)),
          delete: (key: string) => failing(() => storage.delete(key)),
          clear: () => failing(() => storage.clear()),
        },
      }).on('error', () => undefined),
    )
    const record = { data: { a: 1 }, createdAt: 0, expiresAt: Date.now() + 60_000 }
    const { token } = await store.create(record)
    down = true
    await expect(store.load(token)).rejects.toThrow()
    await expect(store.create(record)).rejects.toThrow()
    await expect(store.update(token, { set: { a: 2 } })).rejects.toThrow()
    await expect(store.destroy(token)).rejects.toThrow()
    down = false
    expect(await store.load(token)).toMatchObject({ record: { data: { a: 1 } } })
  })

  it('C4: a change that fails does not take the sign-out beside it with it', async () => {
    const storage = new Map<string, unknown>()
    let full = false
    const store = keyvStore({
      get: key => storage.get(key),
      set: (key, value) => (full ? Promise.reject(new Error('ENOSPC')) : storage.set(key, value)),
      delete: key => storage.delete(key),
    })
    const { token } = await store.create({ data: {}, createdAt: 0, expiresAt: Date.now() + 60_000 })
    full = true
    const changes = [1, 2].map(a => store.update(token, { set: { a } }))
    const [first, second, ended] = await Promise.allSettled([...changes, store.destroy(token)])
    expect([first?.status, second?.status, ended?.status]).toEqual(['rejected', 'rejected', 'fulfilled'])
    expect(await store.load(token)).toBeNull()
  })

  it("F9: a worker whose clock is ahead finds no session, and ends nobody's", async () => {
    const storage = new Map()
    const [store, other] = [keyvStore(storage), keyvStore(storage)]
    const now = Date.now()
    const { token } = await store.create({ data: {}, createdAt: now, expiresAt: now + 1_800_000 })
    vi.useFakeTimers({ toFake: ['Date'], now: now + 3_600_000 })
    onTestFinished(() => void vi.useRealTimers())
    expect(await other.load(token)).toBeNull()
    vi.useRealTimers()
    expect(await store.load(token)).not.toBeNull()
  })

  it('C6: a write that Keyv swallowed is an error', async () => {
    const full = new Map()
    const store = keyvStore({ get: key => full.get(key), set: () => false, delete: key => full.delete(key) })
    const record = { data: {}, createdAt: 0, expiresAt: Date.now() + 1000 }
    await expect(store.create(record)).rejects.toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })
  })
})
