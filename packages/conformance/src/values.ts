import assert from 'node:assert/strict'
import { isSessionError } from '@sojourn/core'
import { badValues, goodData } from './examples.ts'
import { mustBeWritten, mustLoad, mustUpdate, recordOf, sameData, sameRecord } from './kit.ts'
import type { Check } from './runner.ts'

type Data = Readonly<Record<string, unknown>>

const kept: Check[] = Object.entries(goodData).map(([name, data]) => ({
  promise: `every value that JSON can hold is kept exactly: ${name}`,
  async run({ store }) {
    const created = await store.create(recordOf(data))
    sameData((await mustLoad(store, created.token)).record, data)
    const empty = await store.create(recordOf({ other: 1 }))
    const set = await mustUpdate(store, empty.token, { set: data })
    sameData((await mustLoad(store, set.token)).record, { other: 1, ...data })
    const seen = await mustUpdate(store, set.token, { set: { more: 1 }, expectedValues: data })
    sameData((await mustLoad(store, seen.token)).record, { other: 1, ...data, more: 1 })
    const removed = await mustUpdate(store, seen.token, { remove: Object.keys(data) })
    sameData((await mustLoad(store, removed.token)).record, { other: 1, more: 1 })
  },
}))

const refused: Check[] = Object.entries(badValues).map(([name, make]) => ({
  promise: `a value that JSON can't hold is refused, and what stood stays: ${name}`,
  async run({ store }) {
    const record = recordOf({ a: 1, b: [2] })
    const { token, version } = await store.create(record)
    for (const data of [{ bad: make() }, { nested: { list: [make()] } }] satisfies Data[]) {
      await mustRefuse(() => store.create(recordOf(data)))
      await mustRefuse(() => store.update(token, { set: data }))
      await mustRefuse(() => store.update(token, { set: { a: 2, ...data }, remove: ['b'] }))
    }
    const loaded = await mustLoad(store, token)
    sameRecord(loaded.record, record)
    assert.equal(loaded.version, version)
  },
}))

export const values: readonly Check[] = [
  ...kept,
  {
    promise: 'a large value is kept whole, or refused with a SessionError, and what stood stays',
    async run({ store }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      const large = 'é"\\\n'.repeat(50_000)
      const outcome = await store.update(token, { set: { large } }).catch(refusal)
      const kept = outcome instanceof Error ? { a: 1 } : { a: 1, large }
      const standing = outcome instanceof Error ? token : mustBeWritten(outcome).token
      sameData((await mustLoad(store, standing)).record, kept)
    },
  },
  {
    promise: 'a key named __proto__ is refused or kept as a key: no prototype changes',
    async run({ store }) {
      const data: Data = JSON.parse('{"__proto__":{"polluted":true},"b":1}')
      const { token } = await store.create(recordOf({ a: 1 }))
      const created = await store.create(recordOf(data)).catch(refusal)
      const updated = await store.update(token, { set: data }).catch(refusal)
      for (const outcome of [created, updated]) {
        const standing = outcome instanceof Error ? token : mustBeWritten(outcome).token
        const { record } = await mustLoad(store, standing)
        assert.equal(record.data.polluted, undefined)
      }
      assert.equal(Reflect.get({}, 'polluted'), undefined)
    },
  },
  ...refused,
]

async function mustRefuse(write: () => Promise<{ status: string }>): Promise<void> {
  // Inside `then`, so that a store that throws before it answers a promise is right as well.
  const outcome = await Promise.resolve()
    .then(write)
    .catch((error: unknown) => error)
  assert.ok(outcome instanceof Error, 'the value was taken')
  // A TypeError of JSON.stringify will do; what says that the store is down will not.
  if (isSessionError(outcome)) assert.equal(outcome.code, 'ERR_SESSION_VALUE')
}

/** A write may be refused, but only by an error that says why. */
function refusal(error: unknown): Error {
  if (!isSessionError(error)) throw error
  assert.notEqual(error.code, 'ERR_SESSION_STORE_UNAVAILABLE')
  return error
}
