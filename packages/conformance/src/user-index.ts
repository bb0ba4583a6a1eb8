import assert from 'node:assert/strict'
import { setImmediate } from 'node:timers/promises'
import { idOf } from '@sojourn/core/store-kit'
import { mustBeGone, mustLoad, mustUpdate, recordOf, sameRecord, times, until } from './kit.ts'
import type { Check } from './runner.ts'
import {
  indexOf,
  listOf,
  mustListTheLiving,
  namesOf,
  newUsers,
  regenerate,
  sessionsOf,
  signIn,
} from './users.ts'

export const userIndex: readonly Check[] = [
  {
    promise: 'R7 listByUser lists all live sessions of the user, and no others',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const tokens = namesOf(store, await times(5, () => signIn(store, ada)))
      await signIn(store, bob)
      await signIn(store, `${ada}*`)
      await signIn(store, ada.toUpperCase())
      await store.create(recordOf())
      assert.deepEqual(await listOf(store, ada), tokens)
      assert.deepEqual(await listOf(other, ada), tokens)
      for (const nobody of [`${ada} nobody`, `*${ada.slice(3)}`, `../${ada}`, `${ada}\0`])
        assert.deepEqual(await listOf(store, nobody), [])
    },
  },
  {
    promise: 'R7 listByUser shows each session as it stands, with what was noted at the sign-in',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const record = recordOf({ a: 1 }, { userId: ada, metadata: { device: 'Läptop', at: [1, { b: null }] } })
      const { token } = await store.create(record)
      const expiresAt = record.expiresAt + 60_000
      const changed = await mustUpdate(other, token, { set: { b: 2 }, expiresAt })
      const [only, ...more] = await sessionsOf(store, ada)
      assert.ok(only !== undefined && more.length === 0)
      assert.equal(only.token, idOf(store, token))
      // Where the token is the session, nothing else has its data.
      const data = store.supports.selfContained ? {} : { a: 1, b: 2 }
      sameRecord(only.record, { ...record, data, expiresAt })
      assert.deepEqual(only.record.metadata, record.metadata)
      const { metadata } = (await mustLoad(other, changed.token)).record
      assert.deepEqual(metadata, record.metadata)
    },
  },
  {
    promise: 'R7 listByUser no longer lists what was destroyed or expired, and still lists what was changed',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const expiresAt = Date.now() + 50
      const changed = await signIn(store, ada)
      const destroyed = await signIn(store, ada)
      const ended = await signIn(store, ada)
      await signIn(store, ada, {}, { expiresAt })
      await signIn(store, ada, {}, { expiresAt: 0 })
      await mustUpdate(other, changed, { set: { a: 1 }, expiresAt: Date.now() + 60_000 })
      await mustUpdate(other, ended, { expiresAt: 0 })
      await other.destroy(destroyed)
      await until(expiresAt)
      assert.deepEqual(await listOf(store, ada), namesOf(store, [changed]))
    },
  },
  {
    promise: 'R7 listByUser lists each of many sessions once, while others sign in and out',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const stay = namesOf(store, await times(150, () => signIn(store, ada)))
      let over = false
      const comeAndGo = async () => {
        for (; !over; await setImmediate()) {
          const token = await signIn(other, ada)
          await mustListTheLiving(store, ada, [token])
          await other.destroy(token)
          await mustListTheLiving(store, ada, [token])
        }
      }
      const look = async () => {
        for (let looks = 0; looks < 5; looks++) {
          const listed = await listOf(store, ada)
          const found = listed.filter(token => stay.includes(token))
          assert.deepEqual(found, stay)
          assert.equal(new Set(listed).size, listed.length, 'a session is listed twice')
        }
      }
      const looking = look().finally(() => {
        over = true
      })
      await Promise.all([looking, comeAndGo()])
    },
  },
  {
    promise: 'R7 destroyByUser ends all sessions of the user but those named, and answers how many it ended',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const [kept = '', ...ended] = await times(40, () => signIn(store, ada))
      const stranger = await signIn(store, bob)
      const except = [kept, stranger, 'A'.repeat(43), '../..']
      assert.equal(await indexOf(other).destroyByUser(ada, { except }), 39)
      for (const token of ended) assert.equal(await store.load(token), null)
      await mustBeGone(store, ended[0] ?? '')
      await mustLoad(store, kept)
      assert.deepEqual(await listOf(store, ada), namesOf(store, [kept]))
      assert.equal(await indexOf(store).destroyByUser(ada), 1)
      assert.equal(await indexOf(store).destroyByUser(ada), 0)
      assert.equal(await store.load(kept), null)
      await mustLoad(store, stranger)
    },
  },
  {
    promise:
      'R7 destroyByUser ends all that signed in before; who signs in meanwhile is ended, or stays and is listed',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      for (let round = 0; round < 5; round++) {
        const before = await times(10, () => signIn(store, ada))
        const meanwhile = times(20, async index => signIn(index % 2 === 0 ? store : other, ada))
        await indexOf(other).destroyByUser(ada)
        for (const token of before) assert.equal(await store.load(token), null, 'a session is back')
        await mustListTheLiving(store, ada, await meanwhile)
      }
    },
  },
  {
    promise: 'R7 no session escapes destroyByUser by being regenerated meanwhile',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      for (let round = 0; round < 5; round++) {
        let over = false
        const chains = await times(8, () => signIn(store, ada))
        const last = times(8, async index => {
          const handle = index % 2 === 0 ? store : other
          let token = chains[index]
          for (let next = token; next !== undefined && !over; next = await regenerate(handle, ada, next)) {
            token = next
            await setImmediate()
          }
          return token ?? ''
        })
        await times(3, () => store.load(chains[0] ?? ''))
        await indexOf(other)
          .destroyByUser(ada)
          .finally(() => {
            over = true
          })
        for (const token of await last) assert.equal(await store.load(token), null, 'a session went on')
        assert.deepEqual(await listOf(store, ada), [])
      }
    },
  },
  {
    promise: 'R7 a session that is regenerated is listed once, also after a session of another user',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const first = await signIn(store, ada)
      const second = await regenerate(other, ada, first)
      assert.deepEqual(await listOf(store, ada), namesOf(store, [second ?? '']))
      await mustUpdate(store, second ?? '', { expiresAt: 0 })
      const third = await signIn(store, bob, { replaces: { token: second ?? '', userId: ada } })
      assert.deepEqual([await listOf(store, ada), await listOf(other, bob)], [[], namesOf(store, [third])])
    },
  },
]
