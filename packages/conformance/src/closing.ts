import assert from 'node:assert/strict'
import { mustLoad, recordOf, times } from './kit.ts'
import type { Check } from './runner.ts'

export const closing: readonly Check[] = [
  {
    promise: 'the store has a name and says what it supports',
    async run({ store }) {
      assert.match(store.name, /^\S+$/)
      const { supports } = store
      const {
        sharedAcrossProcesses,
        revocation,
        atomicUpdate,
        userIndex,
        eviction = false,
        ownClock = false,
        namedSessions = false,
        selfContained = false,
      } = supports
      for (const ability of [
        sharedAcrossProcesses,
        revocation,
        atomicUpdate,
        userIndex,
        eviction,
        ownClock,
        namedSessions,
        selfContained,
      ]) {
        assert.equal(typeof ability, 'boolean')
      }
    },
  },
  {
    promise: 'a store that may evict has hold and release, which nest and never throw, whatever the token',
    needs: ['eviction'],
    async run({ store }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      for (const held of [token, token, 'A'.repeat(43), '', '../../etc/passwd', '__proto__']) {
        for (const method of ['hold', 'release', 'release']) call(store, method, held)
      }
      await mustLoad(store, token)
    },
  },
  {
    promise:
      'health answers the name of the store, that it is reachable, its latency, and warnings as sentences',
    async run({ store }) {
      const { store: name, reachable, latency, warnings } = await store.health()
      assert.equal(name, store.name)
      assert.equal(reachable, true)
      assert.ok(Number.isFinite(latency) && latency >= 0, 'latency in milliseconds')
      assert.ok(Array.isArray(warnings))
      for (const warning of warnings) assert.equal(typeof warning, 'string')
    },
  },
  {
    promise: 'health leaves the sessions alone',
    async run({ store }) {
      const { token, version } = await store.create(recordOf({ a: 1 }))
      await times(3, () => store.health())
      assert.equal((await mustLoad(store, token)).version, version)
    },
  },
  {
    promise: 'close is idempotent: repeated calls, also at the same time, are no error',
    async run({ store }) {
      await store.create(recordOf({ a: 1 }))
      await times(3, () => store.close())
      await store.close()
    },
  },
  {
    promise: 'close of a handle that did nothing is no error',
    run: ({ store }) => store.close(),
  },
  {
    promise: 'C1 a closed handle does not say that a session is absent that another one finds',
    needs: ['sharedAcrossProcesses'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      await store.close()
      const afterwards = await store.load(token).catch((error: unknown) => error)
      assert.notEqual(afterwards, null, 'load must find the session or throw')
      await mustLoad(other, token)
    },
  },
]

function call(store: object, method: string, token: string): void {
  const member: unknown = Reflect.get(store, method)
  assert.ok(typeof member === 'function', `supports.eviction is true, but ${method} is missing`)
  Reflect.apply(member, store, [token])
}
