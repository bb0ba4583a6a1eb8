import { memoryStore } from '@sojourn/core/memory'
import { keyvStore } from '@sojourn/keyv'
import { expect, onTestFinished, test } from 'vitest'
import { expectRandom } from './randomness.ts'

// Redis and the filesystem create through the same class. Over HTTP, `ids.ts` has fewer of them.
test.each([
  ['keyv', () => keyvStore(new Map())],
  ['memory', memoryStore],
])(
  'R2: 50,000 ids of the %s store: no duplicate, 43 characters of base64url, no biased bit',
  async (_, newStore) => {
    const store = newStore()
    onTestFinished(() => store.close())
    const now = Date.now()
    const created = []
    for (let i = 0; i < 50_000; i++) {
      created.push((await store.create({ data: {}, createdAt: now, expiresAt: now + 600_000 })).token)
    }
    expectRandom(created)
    expect(created).toHaveLength(50_000)
  },
)
