import assert from 'node:assert/strict'
import type { SessionChange } from '@sojourn/core'
import { mustBeGone, mustConflict, mustLoad, mustUpdate, recordOf, sameData, sameRecord } from './kit.ts'
import { tamper } from './load.ts'
import type { Check, Handles } from './runner.ts'

/** Made anew each time: a store that keeps references must not spoil the next test. */
const makeData = () => ({ a: 1, list: [1, { b: null }], text: 'x', nothing: null, no: false, object: {} })

/** Guards on values that do not hold for `makeData()`. */
const wrongValues: readonly Record<string, unknown>[] = [
  { a: 2 },
  { a: '1' },
  { a: undefined },
  { absent: null },
  { list: [1] },
  { object: [] },
  { nothing: undefined },
  { no: null },
  { a: 1, text: 'y' },
  { toString: 'x' },
]

/** Guards on values that hold for `makeData()`. */
const rightValues: readonly Record<string, unknown>[] = [
  makeData(),
  { absent: undefined },
  { toString: undefined, constructor: undefined },
  { list: [1, { b: null }], absent: undefined },
  {},
]

export const guards: readonly Check[] = [
  {
    promise: 'C2 update with the expected version is written',
    async run({ store }) {
      const created = await store.create(recordOf({ a: 1 }))
      const written = await mustUpdate(store, created.token, {
        set: { a: 2 },
        expectedVersion: created.version,
      })
      sameData((await mustLoad(store, written.token)).record, { a: 2 })
    },
  },
  {
    promise: 'C2 update with another version is a conflict: it answers what stands, and writes nothing',
    async run({ store }) {
      const created = await store.create(recordOf({ a: 1 }))
      const { token } = await mustUpdate(store, created.token, { set: { a: 2 } })
      for (const expectedVersion of [created.version, '', 'never', '0']) {
        await expectConflict(store, token, { set: { a: 3 }, expectedVersion })
      }
    },
  },
  {
    promise: 'C2 update with the expected values is written; undefined means that the key is not there',
    async run({ store }) {
      let { token } = await store.create(recordOf(makeData()))
      for (const expectedValues of rightValues) {
        token = (await mustUpdate(store, token, { set: { other: 1 }, expectedValues })).token
      }
    },
  },
  {
    promise: 'C2 update with another value than expected is a conflict, and writes nothing',
    async run({ store }) {
      const { token } = await store.create(recordOf(makeData()))
      for (const expectedValues of wrongValues) {
        const change = { set: { other: 1 }, remove: ['a'], expiresAt: Date.now() + 1000, expectedValues }
        await expectConflict(store, token, change)
      }
    },
  },
  {
    promise: 'C2 both guards must hold',
    async run({ store }) {
      const created = await store.create(recordOf({ a: 1 }))
      const { token, version } = await mustUpdate(store, created.token, { set: { b: 1 } })
      const set = { c: 1 }
      const stale = { set, expectedVersion: created.version, expectedValues: { a: 1 } }
      await expectConflict(store, token, stale)
      await expectConflict(store, token, { set, expectedVersion: version, expectedValues: { a: 2 } })
      await mustUpdate(store, token, { set, expectedVersion: version, expectedValues: { a: 1 } })
    },
  },
  {
    promise: 'C2 a guarded update of an absent session is gone, not a conflict',
    async run({ store }) {
      const token = 'A'.repeat(43)
      const guarded = [{ expectedVersion: '1' }, { expectedValues: { a: 1 } }]
      for (const guard of guarded) {
        assert.deepEqual(await store.update(token, { set: { a: 2 }, ...guard }), { status: 'gone' })
      }
      await mustBeGone(store, token)
    },
  },
  {
    promise: 'a guard that does not hold also protects a session from being ended',
    async run({ store }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      await expectConflict(store, token, { expiresAt: Date.now() - 1000, expectedValues: { a: 2 } })
    },
  },
]

/** The change must be answered `conflict` with what stands, and what stands must be what stood. */
async function expectConflict(store: Handles['store'], token: string, change: SessionChange): Promise<void> {
  const before = await mustLoad(store, token)
  const { current } = mustConflict(await store.update(token, change))
  sameRecord(current.record, before.record)
  assert.equal(current.version, before.version)
  tamper(current.record.data)
  const after = await mustLoad(store, token)
  sameRecord(after.record, before.record)
  assert.equal(after.version, before.version)
}
