import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import type {
  Conflict,
  Gone,
  Loaded,
  SessionChange,
  SessionRecord,
  SessionStore,
  Written,
} from '@sojourn/core'

const hour = 3_600_000

/** A record that lives for an hour unless the test says otherwise. */
export function recordOf(
  data: SessionRecord['data'] = {},
  rest: Partial<Omit<SessionRecord, 'data'>> = {},
): SessionRecord {
  const createdAt = Date.now()
  return { data, createdAt, expiresAt: createdAt + hour, ...rest }
}

/** The session that must be there. */
export async function mustLoad(store: SessionStore, token: string): Promise<Loaded> {
  const loaded = await store.load(token)
  assert.ok(loaded !== null, 'load answered null for a live session')
  return loaded
}

/** Applies a change that must be written. Go on with the token that it answers. */
export async function mustUpdate(
  store: SessionStore,
  token: string,
  change: SessionChange,
): Promise<Written> {
  return mustBeWritten(await store.update(token, change))
}

export function mustBeWritten(outcome: Written | Gone | Conflict): Written {
  assert.equal(outcome.status, 'written', `a change of a live session was answered ${outcome.status}`)
  assert.ok(outcome.status === 'written')
  return outcome
}

export function mustConflict(outcome: Written | Gone | Conflict): Conflict {
  assert.equal(outcome.status, 'conflict', `a guard did not hold, and the answer was ${outcome.status}`)
  assert.ok(outcome.status === 'conflict')
  return outcome
}

/** A whole change of a session that is not there must be answered `gone`, and leave nothing. */
export async function mustBeGone(store: SessionStore, token: string): Promise<void> {
  const expiresAt = Date.now() + hour
  const changes: SessionChange[] = [
    { set: { a: 1 } },
    { remove: ['a'] },
    { expiresAt },
    { set: { a: 1 }, remove: ['b'], expiresAt, expectedValues: { c: undefined } },
  ]
  for (const change of changes) {
    const { status } = await store.update(token, change)
    assert.equal(status, 'gone', `{${Object.keys(change)}} of an absent session was answered ${status}`)
  }
  assert.equal(await store.load(token), null, 'an absent session is there after an update')
}

/** Compares own keys; a store may hand out data without a prototype. */
export function sameData(record: SessionRecord, data: SessionRecord['data']): void {
  assert.deepEqual({ ...record.data }, { ...data })
}

export function sameRecord(actual: SessionRecord, expected: SessionRecord): void {
  sameData(actual, expected.data)
  assert.equal(actual.userId, expected.userId, 'userId')
  assert.equal(actual.createdAt, expected.createdAt, 'createdAt')
  assert.equal(actual.expiresAt, expected.expiresAt, 'expiresAt')
}

/** Indexes 0 to `length - 1`, for as many calls at the same time. */
export function times<T>(length: number, call: (index: number) => Promise<T>): Promise<T[]> {
  return Promise.all(Array.from({ length }, (_, index) => call(index)))
}

/**
 * Runs `attempt` with a short life, and with longer ones while it answers `late`: the machine was too slow to
 * look before the session's end, which is not the store's fault.
 */
export async function withLife(attempt: (life: number) => Promise<'in time' | 'late'>): Promise<void> {
  for (const life of [150, 600, 2400]) if ((await attempt(life)) === 'in time') return
  assert.fail('this machine, or the store, is too slow to tell: no call came back within 2.4 seconds')
}

/** Resolves in the very millisecond, if the event loop is free: the last two are spent spinning. */
export async function until(time: number): Promise<void> {
  while (Date.now() < time - 2) await sleep(Math.max(1, time - 2 - Date.now()))
  while (Date.now() < time);
}
