import assert from 'node:assert/strict'
import { mustLoad, mustUpdate, recordOf, sameData, sameRecord } from './kit.ts'
import type { Check } from './runner.ts'

export const load: readonly Check[] = [
  {
    promise: 'C1 load finds what was created: data, userId, createdAt and expiresAt are exactly the same',
    async run({ store }) {
      const now = Date.now()
      const record = recordOf(
        { theme: 'dark', cart: [{ sku: 'a', count: 2 }] },
        { userId: 'ada', createdAt: now - 86_400_123, expiresAt: now + 1_234_567 },
      )
      const { token } = await store.create(record)
      sameRecord((await mustLoad(store, token)).record, record)
    },
  },
  {
    promise: 'load of an anonymous session has no userId, and of an empty one empty data',
    async run({ store }) {
      const { token } = await store.create(recordOf())
      const { record } = await mustLoad(store, token)
      assert.equal(record.userId, undefined)
      assert.deepEqual(Object.keys(record.data), [])
    },
  },
  {
    promise: 'load keeps a userId of any characters, also the empty one',
    async run({ store }) {
      for (const userId of ['', 'ada@example.org', 'a b:c*\n"\\', 'Zoë 🦊', '__proto__', '0']) {
        const { token } = await store.create(recordOf({}, { userId }))
        assert.equal((await mustLoad(store, token)).record.userId, userId)
      }
    },
  },
  {
    promise: 'C1 load of a token that was never handed out is null',
    async run({ store }) {
      for (const token of ['A'.repeat(43), 'f'.repeat(64), '0', '6b0f4c4e-0000-4000-8000-000000000000']) {
        assert.equal(await store.load(token), null)
      }
    },
  },
  {
    promise: 'load answers the version of the last write, and does not change it',
    async run({ store }) {
      const created = await store.create(recordOf())
      assert.equal((await mustLoad(store, created.token)).version, created.version)
      assert.equal((await mustLoad(store, created.token)).version, created.version)
      const written = await mustUpdate(store, created.token, { set: { a: 1 } })
      assert.equal((await mustLoad(store, written.token)).version, written.version)
    },
  },
  {
    promise: 'a loaded record belongs to the caller: changing it does not change what is stored',
    async run({ store }) {
      const { token } = await store.create(recordOf({ list: [1], nested: { a: 1 } }))
      const first = await mustLoad(store, token)
      tamper(first.record.data)
      sameData((await mustLoad(store, token)).record, { list: [1], nested: { a: 1 } })
    },
  },
  {
    promise: 'C1 a session made through one handle is found through another',
    needs: ['sharedAcrossProcesses'],
    async run({ store, other }) {
      const record = recordOf({ a: 1 }, { userId: 'ada' })
      const { token, version } = await store.create(record)
      const loaded = await mustLoad(other, token)
      sameRecord(loaded.record, record)
      assert.equal(loaded.version, version)
    },
  },
]

/** Changes whatever of it can be changed; a store may hand out frozen objects. */
export function tamper(data: Readonly<Record<string, unknown>>): void {
  for (const value of Object.values(data)) {
    if (Array.isArray(value)) Reflect.set(value, value.length, 'tampered')
    else if (typeof value === 'object' && value !== null) Reflect.set(value, 'tampered', true)
  }
  Reflect.set(data, 'tampered', true)
}
