import assert from 'node:assert/strict'
import type { SessionStore, UserIndex } from '@sojourn/core'
import { mustBeGone, mustLoad, mustUpdate, recordOf, times, until } from './kit.ts'
import type { Check } from './runner.ts'

export const userIndex: readonly Check[] = [
  {
    promise: 'R7 listByUser lists all live sessions of the user, and no others',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const created = await times(5, () => store.create(recordOf({ a: 1 }, { userId: ada })))
      await store.create(recordOf({}, { userId: bob }))
      await store.create(recordOf({}, { userId: `${ada}*` }))
      await store.create(recordOf())
      const tokens = created.map(({ token }) => token).sort()
      assert.deepEqual(await listOf(store, ada), tokens)
      assert.deepEqual(await listOf(other, ada), tokens)
      assert.deepEqual(await listOf(store, `${ada} nobody`), [])
      assert.deepEqual(await listOf(store, '*'), [])
    },
  },
  {
    promise: 'R7 listByUser no longer lists what was destroyed or expired, and still lists what was changed',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const expiresAt = Date.now() + 50
      const changed = await store.create(recordOf({}, { userId: ada }))
      const destroyed = await store.create(recordOf({}, { userId: ada }))
      await store.create(recordOf({}, { userId: ada, expiresAt }))
      await mustUpdate(other, changed.token, { set: { a: 1 }, expiresAt: Date.now() + 60_000 })
      await other.destroy(destroyed.token)
      await until(expiresAt)
      assert.deepEqual(await listOf(store, ada), [changed.token])
    },
  },
  {
    promise: 'R7 destroyByUser ends all sessions of the user but those named, and answers how many it ended',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const created = await times(5, () => store.create(recordOf({ a: 1 }, { userId: ada })))
      const stranger = await store.create(recordOf({ a: 1 }, { userId: bob }))
      const [kept, ...ended] = created.map(({ token }) => token)
      const except = [kept ?? '', stranger.token, 'A'.repeat(43)]
      assert.equal(await indexOf(other).destroyByUser(ada, { except }), 4)
      for (const token of ended) await mustBeGone(store, token)
      await mustLoad(store, kept ?? '')
      await mustLoad(store, stranger.token)
      assert.equal(await indexOf(store).destroyByUser(ada), 1)
      assert.equal(await indexOf(store).destroyByUser(ada), 0)
      assert.equal(await store.load(kept ?? ''), null)
      await mustLoad(store, stranger.token)
    },
  },
]

/** Users that no other test has; a store may keep sessions of older runs. */
function newUsers(): [string, string] {
  const run = crypto.randomUUID()
  return [`ada:${run}`, `bob:${run}`]
}

async function listOf(store: SessionStore, userId: string): Promise<string[]> {
  const tokens: string[] = []
  for await (const token of indexOf(store).listByUser(userId)) tokens.push(token)
  return tokens.sort()
}

function indexOf(store: SessionStore): UserIndex {
  assert.ok(hasIndex(store), 'supports.userIndex is true, but listByUser or destroyByUser is missing')
  return store
}

function hasIndex(store: SessionStore): store is SessionStore & UserIndex {
  return ['listByUser', 'destroyByUser'].every(method => typeof Reflect.get(store, method) === 'function')
}
