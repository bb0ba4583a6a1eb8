import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { NamedSessions, SessionStore } from '@sojourn/core'
import { mustLoad, mustUpdate, recordOf, times } from './kit.ts'
import type { Check } from './runner.ts'
import { listOf, newUsers } from './users.ts'

export const namedSessions: readonly Check[] = [
  {
    promise: 'createAs keeps the session under the token that it is given, as create does under its own',
    needs: ['namedSessions'],
    async run({ store, other }) {
      const [token, record] = [newToken(), recordOf({ a: [1] }, { userId: 'ada' })]
      const written = await naming(store).createAs(token, record)
      assert.equal(written?.token, token)
      const loaded = await mustLoad(other, token)
      assert.deepEqual(loaded, { record, version: written?.version })
      await mustUpdate(other, token, { set: { b: 2 } })
      assert.deepEqual((await mustLoad(store, token)).record.data, { a: [1], b: 2 })
      await store.destroy(token)
      assert.equal(await other.load(token), null)
    },
  },
  {
    promise: 'createAs under the token of a session answers null, and what stands there stays',
    needs: ['namedSessions'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      assert.equal(await naming(other).createAs(token, recordOf({ a: 2 })), null)
      assert.deepEqual((await mustLoad(store, token)).record.data, { a: 1 })
    },
  },
  {
    promise: 'of parallel createAs under one token exactly one is written, and that one stands',
    needs: ['namedSessions'],
    async run({ store, other }) {
      const token = newToken()
      const handles = store.supports.atomicUpdate ? [store, other] : [store]
      const made = await times(20, at =>
        naming(handles[at % handles.length] ?? store).createAs(token, recordOf({ at })),
      )
      const at = made.findIndex(written => written !== null)
      assert.equal(made.filter(written => written !== null).length, 1)
      assert.deepEqual((await mustLoad(store, token)).record.data, { at })
    },
  },
  {
    promise: 'R7 listByUser lists what createAs keeps as well',
    needs: ['namedSessions', 'userIndex'],
    async run({ store, other }) {
      const [[ada], token] = [newUsers(), newToken()]
      await naming(store).createAs(token, recordOf({}, { userId: ada }))
      assert.deepEqual(await listOf(other, ada), [token])
    },
  },
]

function newToken(): string {
  return randomBytes(32).toString('base64url')
}

function naming(store: SessionStore): NamedSessions {
  assert.ok(names(store), 'supports.namedSessions is true, but createAs is missing')
  return store
}

function names(store: SessionStore): store is SessionStore & NamedSessions {
  return 'createAs' in store && typeof store.createAs === 'function'
}
