import { testStore } from '@sojourn/conformance'
import Keyv from 'keyv'
import { describe, expect, it } from 'vitest'
import { keyvStore } from '../src/index.ts'

testStore({ describe, it }, 'Keyv over a Map', () => keyvStore(new Map()))
testStore({ describe, it }, 'a Keyv instance', () => keyvStore(new Keyv(), { sharedAcrossProcesses: false }))

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

  it('C6: a write that Keyv swallowed is an error', async () => {
    const full = new Map()
    const store = keyvStore({ get: key => full.get(key), set: () => false, delete: key => full.delete(key) })
    const record = { data: {}, createdAt: 0, expiresAt: Date.now() + 1000 }
    await expect(store.create(record)).rejects.toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })
  })
})
