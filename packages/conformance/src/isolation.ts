import assert from 'node:assert/strict'
import { mustLoad, mustUpdate, recordOf, sameData, times } from './kit.ts'
import type { Check } from './runner.ts'

export const isolation: readonly Check[] = [
  {
    promise: 'I4 sessions that are created, changed and loaded at the same time each see only their own data',
    async run({ store, other }) {
      const created = await times(50, owner => store.create(recordOf({ owner }, { userId: `user ${owner}` })))
      const updated = await times(50, owner =>
        mustUpdate(owner % 2 ? store : other, created[owner]?.token ?? '', { set: { mark: [owner] } }),
      )
      const loaded = await times(50, owner => mustLoad(other, updated[owner]?.token ?? ''))
      for (const [owner, { record, version }] of loaded.entries()) {
        sameData(record, { owner, mark: [owner] })
        assert.equal(record.userId, `user ${owner}`)
        assert.equal(version, updated[owner]?.version)
      }
    },
  },
  {
    promise: 'I4 sessions that end at the same time as others are changed do not take them along',
    async run({ store, other }) {
      const created = await times(20, owner => store.create(recordOf({ owner })))
      const tokens = await times(20, async owner => {
        const token = created[owner]?.token ?? ''
        if (owner % 2) await other.destroy(token)
        return owner % 2 ? null : (await mustUpdate(store, token, { set: { kept: true } })).token
      })
      for (const [owner, token] of tokens.entries()) {
        if (token !== null) sameData((await mustLoad(other, token)).record, { owner, kept: true })
      }
    },
  },
  {
    promise: 'I4 R1 a token that only resembles one loads, changes and ends nothing',
    needs: ['revocation'],
    async run({ store }) {
      const { token, version } = await store.create(recordOf({ a: 1 }))
      for (const similar of resembling(token)) {
        assert.equal(await store.load(similar), null)
        assert.equal((await store.update(similar, { set: { a: 2 } })).status, 'gone')
        // Where the token is the session, core's signature tells a changed one apart, and a part of it names the session.
        if (!store.supports.selfContained) await store.destroy(similar)
      }
      const loaded = await mustLoad(store, token)
      sameData(loaded.record, { a: 1 })
      assert.equal(loaded.version, version)
    },
  },
]

/** What a sloppy comparison, a file system or a key pattern would take for the token itself. */
function resembling(token: string): string[] {
  const swapped = token.replace(/[a-z]/gi, letter =>
    letter === letter.toLowerCase() ? letter.toUpperCase() : letter.toLowerCase(),
  )
  const edges = [' ', '\t', '\n', '\0', '/', '/.', '.', '=', '%00', '*']
  const patterns = [`${token.slice(0, -1)}?`, `${token.slice(0, -1)}*`, `./${token}`, `x/../${token}`]
  return [
    token.slice(0, -1),
    token.slice(1),
    `${token}${token.slice(-1)}`,
    `${token}${token}`,
    ...edges.flatMap(edge => [`${token}${edge}`, `${edge}${token}`]),
    ...patterns,
    ...[swapped, token.toLowerCase(), token.toUpperCase()],
  ].filter(similar => similar !== token)
}
