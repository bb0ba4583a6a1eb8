import { testStore } from '@sojourn/conformance'
import { cookieStore } from '@sojourn/cookie'
import { memoryStore } from '@sojourn/core/memory'
import { describe, it } from 'vitest'

const secret = 'a secret of this test, and of nothing else'

testStore({ describe, it }, 'the signed cookie', () => cookieStore())
testStore({ describe, it }, 'the sealed cookie', () => cookieStore({ sealed: true, secret }))

testStore({ describe, it }, 'the signed cookie that can be revoked', () =>
  cookieStore({ revocation: memoryStore() }),
)
testStore({ describe, it }, 'the sealed cookie that can be revoked', () =>
  cookieStore({ sealed: true, secret, revocation: memoryStore() }),
)
