import assert from 'node:assert/strict'
import type { SessionStore } from '@sojourn/core'
import { mustLoad, recordOf, sameRecord } from './kit.ts'
import type { Check, Handles } from './runner.ts'

/** Name in the test's title, and the token. R16 of Sojourn's SECURITY.md. */
const tokens: readonly (readonly [name: string, token: string])[] = [
  ['empty', ''],
  ['a path upward', '../../etc/passwd'],
  ['a Windows path upward', '..\\..\\windows\\win.ini'],
  ['an absolute path', '/etc/passwd'],
  ['the folder itself', '.'],
  ['the folder above', '..'],
  ['an encoded path', '%2e%2e%2fetc%2fpasswd'],
  ['NUL', 'a\0b'],
  ['CR LF', 'a\r\nSET b c\r\n'],
  ['a key pattern', '*'],
  ['a key separator', '::'],
  ['a hash tag of Redis Cluster', '{a}'],
  ['white space', ' \t '],
  ['16 KB', 'a'.repeat(16_384)],
  ['16 KB of dots and slashes', '../'.repeat(5461)],
  ['characters beyond ASCII', 'sésame 🦊 \u202e'],
  ['a lone surrogate', '\ud800'],
  ['__proto__', '__proto__'],
  ['constructor', 'constructor'],
  ['toString', 'toString'],
  ['SQL', "' OR 1=1; --"],
]

/** What would be a session where the token is the session, and core's signature alone tells them apart. */
const forged = '{"data":{},"createdAt":0,"expiresAt":9e15}'

export const hostileTokens: readonly Check[] = [
  ...tokens.map(([name, token]) => ({
    promise: `R16 a hostile token is harmless: ${name}`,
    run: ({ store }: Handles) => mustBeHarmless(store, token),
  })),
  {
    promise: 'R16 a hostile token is harmless: a session as JSON, plain and encoded',
    needs: ['revocation'],
    async run({ store }) {
      await mustBeHarmless(store, forged)
      await mustBeHarmless(store, Buffer.from(forged).toString('base64url'))
    },
  },
]

async function mustBeHarmless(store: SessionStore, token: string): Promise<void> {
  const record = recordOf({ a: 1 }, { userId: 'ada' })
  const session = await store.create(record)
  assert.equal(await store.load(token), null)
  const set = { a: 2 }
  assert.equal((await store.update(token, { set })).status, 'gone')
  assert.equal((await store.update(token, { set, expectedValues: { a: undefined } })).status, 'gone')
  assert.equal((await store.update(token, { set, expectedVersion: '1' })).status, 'gone')
  await store.destroy(token)
  assert.equal(await store.load(token), null)
  const loaded = await mustLoad(store, session.token)
  sameRecord(loaded.record, record)
  assert.equal(loaded.version, session.version)
}
