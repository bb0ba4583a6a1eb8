import assert from 'node:assert/strict'
import { mustBeGone, mustLoad, mustUpdate, recordOf, sameData, sameRecord } from './kit.ts'
import { tamper } from './load.ts'
import type { Check } from './runner.ts'

export const update: readonly Check[] = [
  {
    promise: 'C2 update sets the keys that it names, and keeps the others',
    async run({ store }) {
      const { token } = await store.create(recordOf({ a: 1, b: 'two', c: [3] }))
      const written = await mustUpdate(store, token, { set: { b: 'new', d: { e: 4 } } })
      sameData((await mustLoad(store, written.token)).record, { a: 1, b: 'new', c: [3], d: { e: 4 } })
    },
  },
  {
    promise: 'C2 update removes the keys that it names; removing what is not there is no error',
    async run({ store }) {
      const { token } = await store.create(recordOf({ a: 1, b: 2 }))
      const first = await mustUpdate(store, token, { remove: ['b', 'never'] })
      sameData((await mustLoad(store, first.token)).record, { a: 1 })
      const second = await mustUpdate(store, first.token, { remove: ['a'] })
      sameData((await mustLoad(store, second.token)).record, {})
      const third = await mustUpdate(store, second.token, { set: { c: 3 } })
      sameData((await mustLoad(store, third.token)).record, { c: 3 })
    },
  },
  {
    promise: 'C2 update sets, removes and moves the expiry in one step',
    async run({ store }) {
      const record = recordOf({ a: 1, b: 2 }, { userId: 'ada' })
      const { token } = await store.create(record)
      const expiresAt = record.expiresAt + 54_321
      const written = await mustUpdate(store, token, { set: { c: 3 }, remove: ['a'], expiresAt })
      sameRecord((await mustLoad(store, written.token)).record, {
        ...record,
        data: { b: 2, c: 3 },
        expiresAt,
      })
    },
  },
  {
    promise: 'C2 update keeps userId and createdAt, and expiresAt if the change does not name it',
    async run({ store }) {
      const now = Date.now()
      const times = { createdAt: now - 7_654_321, expiresAt: now + 7_654_321 }
      const record = recordOf({ a: 1 }, { userId: 'ada', ...times })
      const { token } = await store.create(record)
      const written = await mustUpdate(store, token, { set: { a: 2 } })
      sameRecord((await mustLoad(store, written.token)).record, { ...record, data: { a: 2 } })
    },
  },
  {
    promise: 'C2 update replaces a value whole and never merges inside it',
    async run({ store }) {
      const { token } = await store.create(recordOf({ cart: { a: 1, b: { c: 2 } }, list: [1, 2, 3] }))
      const written = await mustUpdate(store, token, { set: { cart: { b: { d: 3 } }, list: [4] } })
      sameData((await mustLoad(store, written.token)).record, { cart: { b: { d: 3 } }, list: [4] })
    },
  },
  {
    promise: 'C3 a touch moves the expiry, later or sooner, and keeps the data',
    async run({ store }) {
      const record = recordOf({ a: 1 })
      let { token } = await store.create(record)
      for (const expiresAt of [record.expiresAt + 60_000, record.expiresAt - 60_000]) {
        token = (await mustUpdate(store, token, { expiresAt })).token
        sameRecord((await mustLoad(store, token)).record, { ...record, expiresAt })
      }
    },
  },
  {
    promise: 'update answers another version than the one before, also for a touch',
    async run({ store }) {
      const record = recordOf({ a: 0 })
      let { token, version } = await store.create(record)
      const changes = [{ set: { a: 1 } }, { remove: ['a'] }, { expiresAt: record.expiresAt + 1000 }]
      for (const change of changes) {
        const before: string = version
        ;({ token, version } = await mustUpdate(store, token, change))
        assert.notEqual(version, before)
      }
    },
  },
  {
    promise: 'a version never comes back, though the same values do',
    needs: ['atomicUpdate'],
    async run({ store, other }) {
      const { token, version } = await store.create(recordOf({ a: 0 }))
      const versions = new Set([version])
      for (const a of [1, 1, 0, 1, 0]) versions.add((await mustUpdate(store, token, { set: { a } })).version)
      for (const a of [1, 0]) versions.add((await mustUpdate(other, token, { set: { a } })).version)
      assert.equal(versions.size, 8)
    },
  },
  {
    promise: 'C2 update never creates: a token that was never handed out is gone, whatever the change',
    async run({ store }) {
      await mustBeGone(store, 'A'.repeat(43))
      await mustBeGone(store, 'f'.repeat(64))
    },
  },
  {
    promise: 'update takes a copy: changing the values afterwards does not change what is stored',
    async run({ store }) {
      const { token } = await store.create(recordOf())
      const set = { list: [1], nested: { a: 1 } }
      const written = await mustUpdate(store, token, { set })
      tamper(set)
      sameData((await mustLoad(store, written.token)).record, { list: [1], nested: { a: 1 } })
    },
  },
  {
    promise: 'C2 an update through one handle is seen through another',
    needs: ['sharedAcrossProcesses'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      const there = await mustUpdate(other, token, { set: { b: 2 } })
      const back = await mustUpdate(store, there.token, { set: { c: 3 } })
      const loaded = await mustLoad(other, back.token)
      sameData(loaded.record, { a: 1, b: 2, c: 3 })
      assert.equal(loaded.version, back.version)
    },
  },
]
