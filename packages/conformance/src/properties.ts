import assert from 'node:assert/strict'
import {
  type Conflict,
  type Gone,
  isSessionError,
  type SessionRecord,
  type SessionStore,
  type Written,
} from '@sojourn/core'
import fc from 'fast-check'
import { anyData } from './any-data.ts'
import { changeOf, commands, dataOf, type KeyChange } from './commands.ts'
import { forAll } from './for-all.ts'
import { mustBeWritten, mustLoad, mustUpdate, recordOf, sameData, until } from './kit.ts'
import { changed, follow } from './model.ts'
import type { Check, Handles } from './runner.ts'

type Data = SessionRecord['data']

const mine = ['a', 'b', 'constructor']
const theirs = ['x', 'y', '"']
const disjoint = fc.tuple(dataOf([...mine, ...theirs]), changeOf(mine), changeOf(theirs))

/** A change that is tried on a session that is gone. */
interface Attempt {
  readonly by: keyof Handles
  readonly change: KeyChange
  readonly prolongs: boolean
  readonly expectedValues: Data
}

const ending = fc.constantFrom('destroyed', 'ended by an update', 'expired')
const attempt: fc.Arbitrary<Attempt> = fc.record({
  by: fc.constantFrom('store', 'other'),
  change: changeOf(),
  prolongs: fc.boolean(),
  expectedValues: fc.constantFrom({}, {}, { a: 1 }),
})
const afterwards = fc.tuple(ending, fc.array(attempt, { maxLength: 5 }))

export const properties: readonly Check[] = [
  {
    promise:
      'Property: to whatever is called, one after the other, the answers are those of a Map with a clock',
    run: handles => forAll(commands, list => follow(handles, list)),
  },
  {
    promise:
      'Property: parse(serialize(x)) is x, or x is refused with an error; its prototype does not change',
    run: ({ store }) => forAll(anyData, data => keepOrRefuse(store, data)),
  },
  {
    promise: 'Property: changes of different keys commute',
    run: handles => forAll(disjoint, ([data, left, right]) => commute(handles, data, left, right)),
  },
  {
    promise: 'Property: gone is absorbing: no sequence of changes brings a session back',
    run: handles => forAll(afterwards, ([ending, attempts]) => stayGone(handles, ending, attempts)),
  },
]

async function keepOrRefuse(store: SessionStore, data: Data): Promise<void> {
  const created = await unlessRefused(() => store.create(recordOf(data)))
  if (created !== null) await mustHold(store, created.token, data)
  const stood = await store.create(recordOf({ stood: true }))
  const updated = await unlessRefused(() => store.update(stood.token, { set: data }))
  await mustHold(store, (updated ?? stood).token, { stood: true, ...(updated && data) })
  for (const written of [created, updated ?? stood]) if (written) await store.destroy(written.token)
}

/** `null` if the write was refused because of its value, not because the store is down. */
async function unlessRefused(write: () => Promise<Written | Gone | Conflict>): Promise<Written | null> {
  try {
    return mustBeWritten(await write())
  } catch (error) {
    const refused = isSessionError(error)
      ? error.code !== 'ERR_SESSION_STORE_UNAVAILABLE'
      : error instanceof TypeError
    if (refused) return null
    throw error
  }
}

async function mustHold(store: SessionStore, token: string, data: Data): Promise<void> {
  const { record } = await mustLoad(store, token)
  sameData(record, data)
  const prototype: unknown = Object.getPrototypeOf(record.data)
  assert.ok(prototype === null || prototype === Object.prototype, 'the data have another prototype')
}

/** In either order, and at the same time where updates are atomic. */
async function commute(
  { store, other }: Handles,
  data: Data,
  left: KeyChange,
  right: KeyChange,
): Promise<void> {
  const inTurn = async (token: string, first: KeyChange, second: KeyChange) =>
    mustUpdate(other, (await mustUpdate(store, token, first)).token, second)
  const atOnce = async (token: string) => {
    const [written] = await Promise.all([mustUpdate(store, token, left), mustUpdate(other, token, right)])
    return written
  }
  const ways = [(token: string) => inTurn(token, left, right), (token: string) => inTurn(token, right, left)]
  for (const way of store.supports.atomicUpdate ? [...ways, atOnce] : ways) {
    const { token } = await way((await store.create(recordOf(data))).token)
    sameData((await mustLoad(other, token)).record, changed(changed(data, left), right))
    await store.destroy(token)
  }
}

async function stayGone(handles: Handles, ending: string, attempts: readonly Attempt[]): Promise<void> {
  // Without revocation nothing is gone by a destroy.
  if (ending === 'destroyed' && !handles.store.supports.revocation) return
  const token = await endedToken(handles.store, ending)
  for (const { by, change, prolongs, expectedValues } of attempts) {
    const expiresAt = prolongs ? { expiresAt: Date.now() + 60_000 } : {}
    const { status } = await handles[by].update(token, { ...change, ...expiresAt, expectedValues })
    assert.equal(status, 'gone')
    assert.equal(await handles[by].load(token), null)
  }
}

async function endedToken(store: SessionStore, ending: string): Promise<string> {
  const soon = Date.now() + 2
  const { token } = await store.create(recordOf({ a: 1 }, ending === 'expired' ? { expiresAt: soon } : {}))
  if (ending === 'ended by an update') {
    return (await mustUpdate(store, token, { expiresAt: Date.now() - 1000 })).token
  }
  await (ending === 'expired' ? until(soon) : store.destroy(token))
  return token
}
