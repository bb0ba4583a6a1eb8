import { secret } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import { kinds } from './kinds.ts'
import { otherSecret, type Place, placeOf, seenAs, tokenOf } from './place.ts'

/** Where a cookie counts that is good somewhere else. */
export function elsewhere({ adapter, kind, open }: Place): void {
  describe('a cookie of somewhere else', () => {
    test.for(kinds.filter(({ name }) => name !== kind.name))(
      'R22: is void on the store $name with the same secret, even if its session is there as well',
      async other => {
        const site = await open()
        const there = await placeOf(adapter, other).open()
        const { cookie } = await site.signedIn()
        const key = `session:${tokenOf(cookie)}`
        if (site.texts !== undefined) await there.texts?.write(key, await site.texts.read(key))
        expect(await seenAs(there, cookie)).toEqual({})
        expect(await seenAs(site, cookie)).toEqual({ userId: 'ada' })
      },
    )

    test('R22: is void in an application that shares the secret and the store, but not the keyPrefix', async () => {
      const site = await open()
      const admin = await open({}, { medium: site, keyPrefix: 'admin:' })
      const { cookie } = await site.signedIn()
      const text = await site.texts?.read(`session:${tokenOf(cookie)}`)
      if (text !== undefined) await site.texts?.write(`admin:${tokenOf(cookie)}`, text)
      expect(await seenAs(admin, cookie)).toEqual({})
    })

    test('R20: counts as long as the key that signed it is configured', async () => {
      const before = await open({}, { secret: otherSecret })
      const { cookie } = await before.signedIn()
      const between = await open({}, { medium: before, secret: [secret, otherSecret] })
      expect(await seenAs(between, cookie)).toEqual({ userId: 'ada' })
      const after = await open({}, { medium: before, secret: [secret] })
      expect(await seenAs(after, cookie)).toEqual({})
    })
  })
}
