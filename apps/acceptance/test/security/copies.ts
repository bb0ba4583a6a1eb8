import { signInMeanwhile } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import { type Place, seenAs } from './place.ts'

/** What is true, and documented, of copies of a cookie that is the session: no server can take one back. */
export function copies({ open }: Place): void {
  describe('copies of a cookie that is the session', () => {
    test('R3: a new cookie at sign-in; a copy of the old one shows what it held until its expiry, and never the user', async () => {
      const { ada, before, reply } = await signInMeanwhile(open)
      expect(reply.status).toBe(200)
      expect((await ada.get('/read')).json()).toEqual({ basket: 'book', userId: 'ada' })
      expect((await before.get('/read')).json()).toEqual({ basket: 'book', late: 'yes' })
    })

    test('R6: sign-out makes the browser drop the cookie; a copy works until the expiry inside it', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const { cookie } = ada
      const reply = await ada.get('/sign-out')
      expect(reply.setCookies).toEqual([
        expect.stringMatching(/^sid=; .*Max-Age=0; Expires=Thu, 01 Jan 1970/),
      ])
      expect(await seenAs(site, cookie)).toEqual({ userId: 'ada' })
    })
  })
}
