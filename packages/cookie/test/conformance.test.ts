import { testStore } from '@sojourn/conformance'
import { cookieStore } from '@sojourn/cookie'
import { describe, it } from 'vitest'

const secret = 'a secret of this test, and of nothing else'

testStore({ describe, it }, 'the signed cookie', () => cookieStore())
testStore({ describe, it }, 'the sealed cookie', () => cookieStore({ sealed: true, secret }))
