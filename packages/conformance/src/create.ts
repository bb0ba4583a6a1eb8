import assert from 'node:assert/strict'
import { mustLoad, recordOf, sameRecord, times } from './kit.ts'
import { tamper } from './load.ts'
import type { Check } from './runner.ts'

export const create: readonly Check[] = [
  {
    promise: 'create answers written, with a token that fits a cookie as it is and a version',
    async run({ store }) {
      const written = await store.create(recordOf({ a: 1 }))
      assert.equal(written.status, 'written')
      // RFC 6265, 4.1.1: cookie-octet.
      assert.match(written.token, /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]+$/)
      assert.equal(typeof written.version, 'string')
    },
  },
  {
    promise: 'create makes a new token each time, long enough for 128 random bits, whatever the record',
    needs: ['revocation'],
    async run({ store, other }) {
      const record = recordOf({ a: 1 }, { userId: 'ada' })
      const written = await times(100, index => (index % 2 ? other : store).create(record))
      assert.equal(new Set(written.map(({ token }) => token)).size, 100)
      for (const { token } of written) assert.ok(token.length >= 22, 'fewer than 128 bits of base64url')
      await times(100, async index => other.destroy(written[index]?.token ?? ''))
    },
  },
  {
    promise: 'create never touches an existing session',
    async run({ store, other }) {
      const first = recordOf({ number: 0 }, { userId: 'ada' })
      const { token, version } = await store.create(first)
      await times(20, index =>
        (index % 2 ? other : store).create(recordOf({ number: index }, { userId: 'ada' })),
      )
      const loaded = await mustLoad(store, token)
      sameRecord(loaded.record, first)
      assert.equal(loaded.version, version)
    },
  },
  {
    promise: 'create takes a copy: changing the record afterwards does not change what is stored',
    async run({ store }) {
      const data = { list: [1], nested: { a: 1 } }
      const record = recordOf(data)
      const { token } = await store.create(record)
      tamper(data)
      sameRecord((await mustLoad(store, token)).record, { ...record, data: { list: [1], nested: { a: 1 } } })
    },
  },
  {
    promise: 'a session that is created with an expiry in the past is absent',
    async run({ store }) {
      const now = Date.now()
      const { token } = await store.create(recordOf({}, { createdAt: now - 2000, expiresAt: now - 1000 }))
      assert.equal(await store.load(token), null)
    },
  },
]
