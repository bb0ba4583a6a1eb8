import assert from 'node:assert/strict'
import type { SessionStore } from '@sojourn/core'
import { mustLoad, mustUpdate, times, until } from './kit.ts'
import type { Check } from './runner.ts'
import { codeOf, listOf, mustListTheLiving, namesOf, newUsers, regenerate, signIn } from './users.ts'

const refusing = (maxPerUser: number) => ({ maxPerUser, onMaxPerUser: 'refuse' }) as const
const ending = (maxPerUser: number) => ({ maxPerUser, onMaxPerUser: 'end-oldest' }) as const

export const userLimit: readonly Check[] = [
  {
    promise: "R8 a sign-in over maxPerUser is refused with 'refuse', and changes nothing",
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const tokens = await times(3, () => signIn(store, ada, refusing(3)))
      for (const handle of [store, other]) await mustBeRefused(handle, ada, 3)
      assert.deepEqual(await listOf(other, ada), namesOf(other, tokens))
      await signIn(store, bob, refusing(3))
      await signIn(store, ada, refusing(4))
      await signIn(store, ada)
      await mustBeRefused(other, ada, 5)
    },
  },
  {
    promise: "R8 a sign-in over maxPerUser ends the oldest sign-ins with 'end-oldest'",
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada, bob] = newUsers()
      const stranger = await signIn(store, bob, ending(1))
      const tokens: string[] = []
      for (let index = 0; index < 5; index++) {
        tokens.push(await signIn(index % 2 === 0 ? store : other, ada, ending(3)))
        assert.deepEqual(await listOf(store, ada), namesOf(store, tokens.slice(-3)))
      }
      for (const token of tokens.slice(0, -3)) assert.equal(await other.load(token), null)
      const last = await signIn(other, ada, ending(1))
      assert.deepEqual(await listOf(store, ada), namesOf(store, [last]))
      await mustLoad(store, stranger)
    },
  },
  {
    promise: 'R8 what ended or expired does not count for maxPerUser',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const expiresAt = Date.now() + 50
      const [destroyed, ended, stays] = [
        await signIn(store, ada),
        await signIn(store, ada),
        await signIn(store, ada),
      ]
      await signIn(store, ada, {}, { expiresAt })
      await other.destroy(destroyed)
      await mustUpdate(other, ended, { expiresAt: 0 })
      const next = await signIn(store, ada, { ...ending(3), replaces: { token: ended, userId: ada } })
      // A store may need a moment to be sure that what has no session is no sign-in under way.
      await until(expiresAt + 100)
      const last = await signIn(other, ada, ending(3))
      await mustLoad(store, next)
      assert.deepEqual(await listOf(store, ada), namesOf(store, [stays, next, last]))
    },
  },
  {
    promise: 'R8 a session that is regenerated keeps its place: it is no sign-in, and no younger',
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const oldest = await signIn(store, ada)
      const younger = await signIn(store, ada)
      await mustUpdate(other, oldest, { expiresAt: 0 })
      const moved = await signIn(other, ada, { ...refusing(1), replaces: { token: oldest, userId: ada } })
      assert.deepEqual(await listOf(store, ada), namesOf(store, [moved, younger]))
      const last = await signIn(store, ada, ending(2))
      assert.deepEqual(await listOf(store, ada), namesOf(store, [younger, last]))
      assert.equal(await regenerate(store, ada, moved), undefined)
    },
  },
  {
    promise:
      "R8 parallel sign-ins never are more than maxPerUser, and all but those are refused with 'refuse'",
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const outcomes = await times(24, index =>
        signIn(index % 2 === 0 ? store : other, ada, refusing(3)).catch(codeOf),
      )
      assert.equal(outcomes.filter(outcome => outcome === 'ERR_SESSION_LIMIT').length, 21)
      assert.equal((await listOf(store, ada)).length, 3)
    },
  },
  {
    promise:
      "R8 parallel sign-ins never are more than maxPerUser, and one at least of the last stays with 'end-oldest'",
    needs: ['userIndex'],
    async run({ store, other }) {
      const [ada] = newUsers()
      const tokens = await times(24, index => signIn(index % 2 === 0 ? store : other, ada, ending(3)))
      await mustListTheLiving(store, ada, tokens)
      const left = await listOf(store, ada)
      assert.ok(left.length >= 1 && left.length <= 3, `${left.length} sessions are left`)
      await signIn(store, ada, ending(1))
      assert.equal((await listOf(other, ada)).length, 1)
    },
  },
]

async function mustBeRefused(store: SessionStore, userId: string, maxPerUser: number): Promise<void> {
  const code = await signIn(store, userId, refusing(maxPerUser)).catch(codeOf)
  assert.equal(code, 'ERR_SESSION_LIMIT', 'a sign-in over the limit')
}
