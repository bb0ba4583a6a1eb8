import assert from 'node:assert/strict'
import type { SessionStore } from '@sojourn/core'
import { mustBeGone, mustBeWritten, mustLoad, mustUpdate, recordOf, sameData, times } from './kit.ts'
import type { Check, Handles } from './runner.ts'

export const concurrency: readonly Check[] = [
  {
    promise: 'C2 I2 100 parallel updates of different keys all survive',
    needs: ['atomicUpdate'],
    async run(handles) {
      const { store, other } = handles
      const { token } = await store.create(recordOf({ before: true }))
      await times(100, key => mustUpdate(either(handles, key), token, { set: { [`key${key}`]: key } }))
      const keys = Array.from({ length: 100 }, (_, key) => [`key${key}`, key])
      sameData((await mustLoad(other, token)).record, { before: true, ...Object.fromEntries(keys) })
    },
  },
  {
    promise: 'C2 I2 parallel updates that set, remove and touch leave what each of them did',
    needs: ['atomicUpdate'],
    async run(handles) {
      const old = Object.fromEntries(Array.from({ length: 20 }, (_, key) => [`old${key}`, key]))
      const record = recordOf({ ...old, kept: true })
      const { token } = await handles.store.create(record)
      const expiresAt = record.expiresAt + 60_000
      await Promise.all([
        times(20, key => mustUpdate(either(handles, key), token, { set: { [`new${key}`]: key } })),
        times(20, key => mustUpdate(either(handles, key), token, { remove: [`old${key}`] })),
        times(5, key => mustUpdate(either(handles, key), token, { expiresAt })),
      ])
      const loaded = await mustLoad(handles.store, token)
      const keys = Array.from({ length: 20 }, (_, key) => [`new${key}`, key])
      sameData(loaded.record, { kept: true, ...Object.fromEntries(keys) })
      assert.equal(loaded.record.expiresAt, expiresAt)
    },
  },
  {
    promise: 'C2 of parallel updates of one key one value stands, whole, and all versions differ',
    needs: ['atomicUpdate'],
    async run(handles) {
      const { token } = await handles.store.create(recordOf({ value: [] }))
      const written = await times(50, n =>
        mustUpdate(either(handles, n), token, { set: { value: [n, { n }, `${n}`] } }),
      )
      assert.equal(new Set(written.map(({ version }) => version)).size, 50)
      const { record, version } = await mustLoad(handles.store, token)
      const winner = written.findIndex(outcome => outcome.version === version)
      sameData(record, { value: [winner, { n: winner }, `${winner}`] })
    },
  },
  {
    promise: 'C2 a change is applied whole: no load sees half of it',
    needs: ['atomicUpdate'],
    async run(handles) {
      const { store, other } = handles
      const { token } = await store.create(recordOf({ left: 0, right: [0] }))
      await times(20, async n => {
        await mustUpdate(either(handles, n), token, { set: { left: n, right: [n] } })
        const { record } = await mustLoad(other, token)
        assert.deepEqual(record.data.right, [record.data.left])
      })
    },
  },
  {
    promise: 'C2 I2 a counter kept with expectedVersion by two handles loses no count',
    needs: ['atomicUpdate'],
    async run(handles) {
      const { store, other } = handles
      const { token } = await store.create(recordOf({ count: 0 }))
      await times(8, async worker => {
        for (let i = 0; i < 5; i++) await increment(either(handles, worker), token)
      })
      sameData((await mustLoad(other, token)).record, { count: 40 })
    },
  },
  {
    promise: 'C2 of parallel updates that expect a key not to be there exactly one is written',
    needs: ['atomicUpdate'],
    async run(handles) {
      const { token } = await handles.store.create(recordOf({ a: 1 }))
      const outcomes = await times(20, owner =>
        either(handles, owner).update(token, { set: { owner }, expectedValues: { owner: undefined } }),
      )
      const winners = outcomes.flatMap((outcome, owner) => (outcome.status === 'written' ? [owner] : []))
      assert.equal(winners.length, 1)
      sameData((await mustLoad(handles.store, token)).record, { a: 1, owner: winners[0] })
      for (const outcome of outcomes) {
        assert.notEqual(outcome.status, 'gone')
        if (outcome.status === 'conflict') sameData(outcome.current.record, { a: 1, owner: winners[0] })
      }
    },
  },
  {
    promise: 'I2 I3 a load that begins after an acknowledged update sees it, or a later one',
    needs: ['atomicUpdate'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ n: 0 }))
      let acknowledged = 0
      const read = async () => {
        while (acknowledged < 50) {
          const least = acknowledged
          const { n } = (await mustLoad(other, token)).record.data
          assert.ok(typeof n === 'number' && n >= least, `saw ${n} after ${least} was acknowledged`)
          // A store that answers without any I/O would keep the writer from its turn.
          await new Promise(setImmediate)
        }
      }
      const write = async () => {
        for (let n = 1; n <= 50; n++) {
          await mustUpdate(store, token, { set: { n } })
          acknowledged = n
          await new Promise(setImmediate)
        }
      }
      await Promise.all([write(), read(), read()])
    },
  },
  {
    promise: 'C4 I1 updates in flight do not bring a session back that the same handle destroyed',
    needs: ['revocation'],
    run: ({ store }) => raceDestroy({ store, other: store }),
  },
  {
    promise: 'C4 I1 updates in flight through any handle do not bring a destroyed session back',
    needs: ['revocation', 'atomicUpdate'],
    run: raceDestroy,
  },
  {
    promise: 'C4 parallel destroys of one session all succeed',
    async run(handles) {
      const { token } = await handles.store.create(recordOf({ a: 1 }))
      await times(10, n => either(handles, n).destroy(token))
    },
  },
]

function either({ store, other }: Handles, turn: number): SessionStore {
  return turn % 2 ? other : store
}

/** Compare-and-swap as core does it: a conflict brings what stands, so nothing is read again. */
async function increment(store: SessionStore, token: string): Promise<void> {
  let stands = await mustLoad(store, token)
  for (;;) {
    const { count } = stands.record.data
    assert.ok(typeof count === 'number')
    const set = { count: count + 1 }
    const outcome = await store.update(token, { set, expectedVersion: stands.version })
    if (outcome.status !== 'conflict') {
      mustBeWritten(outcome)
      return
    }
    assert.notEqual(outcome.current.version, stands.version, 'a conflict, though the version is as expected')
    stands = outcome.current
  }
}

/** Destroys in the midst of updates, early and late: what was in flight is written before it, or gone. */
async function raceDestroy(handles: Handles): Promise<void> {
  const { store, other } = handles
  for (let round = 0; round < 6; round++) {
    const { token } = await store.create(recordOf({ a: 1 }))
    const change = (n: number) => either(handles, n).update(token, { set: { [`key${n}`]: n } })
    const before = times(10, change)
    for (let turn = 0; turn < round; turn++) await new Promise(setImmediate)
    const destroyed = other.destroy(token)
    const during = times(10, change)
    await destroyed
    const after = times(10, change)
    assert.equal(await store.load(token), null, 'a load after the acknowledged destroy found the session')
    for (const outcome of await after) assert.equal(outcome.status, 'gone')
    for (const outcome of [...(await before), ...(await during)]) assert.notEqual(outcome.status, 'conflict')
    await mustBeGone(store, token)
    await mustBeGone(other, token)
  }
}
