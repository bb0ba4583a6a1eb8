import assert from 'node:assert/strict'
import { mustBeGone, mustLoad, recordOf, sameRecord, times } from './kit.ts'
import type { Check } from './runner.ts'

export const destroy: readonly Check[] = [
  {
    promise: 'C4 I1 a destroyed session is absent from the acknowledgement on',
    needs: ['revocation'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }, { userId: 'ada' }))
      await store.destroy(token)
      assert.equal(await store.load(token), null)
      assert.equal(await other.load(token), null)
    },
  },
  {
    promise: 'C4 I1 a destroyed session is absent through any handle at once, every time',
    needs: ['revocation'],
    async run({ store, other }) {
      // One handle may ask several servers in turn, of which some know a little later.
      for (let n = 0; n < 32; n++) {
        const { token } = await store.create(recordOf({ a: 1 }))
        await store.destroy(token)
        assert.equal(await other.load(token), null)
      }
    },
  },
  {
    promise: 'C4 a destroyed session stays destroyed: an update is gone and does not bring it back',
    needs: ['revocation'],
    async run({ store, other }) {
      const { token, version } = await store.create(recordOf({ a: 1 }))
      await store.destroy(token)
      await mustBeGone(store, token)
      await mustBeGone(other, token)
      const guarded = await store.update(token, { set: { a: 2 }, expectedVersion: version })
      assert.equal(guarded.status, 'gone')
      assert.equal(await store.load(token), null)
    },
  },
  {
    promise: 'C4 destroy is idempotent: destroying again, or what never was, is no error',
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      await store.destroy(token)
      await store.destroy(token)
      await other.destroy(token)
      await times(4, () => store.destroy(token))
      await store.destroy('A'.repeat(43))
    },
  },
  {
    promise: 'C4 destroy ends one session and leaves the others of the same user alone',
    async run({ store }) {
      const record = recordOf({ a: 1 }, { userId: 'ada' })
      const kept = await store.create({ ...record, data: { a: 2 } })
      const ended = await store.create(record)
      await store.destroy(ended.token)
      sameRecord((await mustLoad(store, kept.token)).record, { ...record, data: { a: 2 } })
    },
  },
  {
    promise: 'C4 a session destroyed through one handle is absent and gone through another',
    needs: ['revocation', 'sharedAcrossProcesses'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      await mustLoad(other, token)
      await other.update(token, { set: { b: 2 } })
      await other.destroy(token)
      assert.equal(await store.load(token), null)
      await mustBeGone(store, token)
    },
  },
]
