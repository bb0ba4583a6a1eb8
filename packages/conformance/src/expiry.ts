import assert from 'node:assert/strict'
import { setTimeout as sleep } from 'node:timers/promises'
import { mustBeGone, mustLoad, mustUpdate, recordOf, sameData, times, until, withLife } from './kit.ts'
import type { Check, Handles } from './runner.ts'

export const expiry: readonly Check[] = [
  {
    promise: 'a session is there until its expiresAt, and absent from that millisecond on',
    run: ({ store, other }) =>
      withLife(async life => {
        const expiresAt = Date.now() + life
        const { token } = await store.create(recordOf({ a: 1 }, { expiresAt }))
        const seen = await watchEnd(store, token, expiresAt)
        assert.equal(await other.load(token), null)
        return seen
      }),
  },
  {
    promise: 'C3 a touch that shortens the life is kept to the millisecond',
    run: ({ store }) =>
      withLife(async life => {
        const created = await store.create(recordOf({ a: 1 }))
        const expiresAt = Date.now() + life
        const { token } = await mustUpdate(store, created.token, { expiresAt })
        return watchEnd(store, token, expiresAt)
      }),
  },
  {
    promise: 'C3 a touch in time keeps the session beyond its first expiry',
    run: ({ store }) =>
      withLife(async life => {
        const expiresAt = Date.now() + life
        const created = await store.create(recordOf({ a: 1 }, { expiresAt }))
        const outcome = await store.update(created.token, { expiresAt: expiresAt + 60_000 })
        if (outcome.status !== 'written' && Date.now() >= expiresAt) return 'late'
        assert.ok(outcome.status === 'written')
        await until(expiresAt + 20)
        sameData((await mustLoad(store, outcome.token)).record, { a: 1 })
        return 'in time'
      }),
  },
  {
    promise: 'an update without expiresAt does not prolong the session',
    run: ({ store }) =>
      withLife(async life => {
        const expiresAt = Date.now() + life
        const created = await store.create(recordOf({ a: 1 }, { expiresAt }))
        const outcome = await store.update(created.token, { set: { a: 2 } })
        if (outcome.status !== 'written')
          return Date.now() >= expiresAt ? 'late' : assert.fail(outcome.status)
        return watchEnd(store, outcome.token, expiresAt)
      }),
  },
  {
    promise: 'C2 C3 an expired session is gone: neither an update nor a touch brings it back',
    async run({ store, other }) {
      const expiresAt = Date.now() + 50
      const { token } = await store.create(recordOf({ a: 1 }, { expiresAt }))
      await until(expiresAt)
      await mustBeGone(store, token)
      await mustBeGone(other, token)
      await store.destroy(token)
    },
  },
  {
    promise: 'an update with an expiry in the past is written, and ends the session',
    needs: ['revocation'],
    async run({ store, other }) {
      const { token } = await store.create(recordOf({ a: 1 }))
      await mustUpdate(store, token, { set: { a: 2 }, expiresAt: Date.now() - 1000 })
      assert.equal(await store.load(token), null)
      await mustBeGone(other, token)
    },
  },
  {
    promise: 'the token of an update with an expiry in the past loads nothing',
    async run({ store }) {
      const created = await store.create(recordOf({ a: 1 }))
      const { token } = await mustUpdate(store, created.token, { expiresAt: Date.now() - 1000 })
      assert.equal(await store.load(token), null)
      await mustBeGone(store, token)
    },
  },
  {
    promise: 'sessions end one by one: those that expire later are not touched',
    run: ({ store }) =>
      withLife(async life => {
        const now = Date.now()
        const created = await times(10, number =>
          store.create(recordOf({ number }, { expiresAt: now + (number % 2 ? life : 60_000) })),
        )
        await until(now + life)
        const loaded = await times(10, number => store.load(created[number]?.token ?? ''))
        for (const [number, session] of loaded.entries()) {
          if (number % 2) assert.equal(session, null)
          else assert.equal(session?.record.data.number, number)
        }
        return 'in time'
      }),
  },
]

/**
 * Looks all the time: a load that came back before `expiresAt` must have found the session, one that began at
 * `expiresAt` must not. Between the two both answers are right.
 */
async function watchEnd(
  store: Handles['store'],
  token: string,
  expiresAt: number,
): Promise<'in time' | 'late'> {
  let seen: 'in time' | 'late' = 'late'
  while (Date.now() < expiresAt - 5) {
    const loaded = await store.load(token)
    const early = expiresAt - Date.now()
    if (early > 0) {
      assert.ok(loaded !== null, `absent ${early} ms before its expiresAt`)
      assert.equal(loaded.record.expiresAt, expiresAt)
      seen = 'in time'
    }
    await sleep(5)
  }
  await until(expiresAt)
  assert.equal(await store.load(token), null, 'there at its expiresAt')
  await sleep(5)
  assert.equal(await store.load(token), null, 'there after its expiresAt')
  return seen
}
