import { describe, expect, test } from 'vitest'
import type { Reply, Visitor } from '../client.ts'
import { deferred } from '../deferred.ts'
import type { Medium } from '../medium.ts'
import type { OpenSite } from '../site.ts'

/** When a session is over for everybody who has its cookie: where there is a server side. */
export function endings<M extends Medium>(open: OpenSite<M>): void {
  describe('the end of a session', () => {
    test('R3 C5: a new id at sign-in, and the old one is dead; the data stay', async () => {
      const site = await open()
      const ada = site.visitor()
      await ada.get('/set?basket=book')
      const before = ada.copy()
      await ada.get('/sign-in')
      expect(ada.cookie).not.toBe(before.cookie)
      expect((await ada.get('/read')).json()).toEqual({ basket: 'book', userId: 'ada' })
      expect((await before.get('/read')).json()).toEqual({})
      expect(await site.stored()).toEqual([expect.stringContaining(String(ada.cookie.split('.')[0]))])
    })

    test('R3 C5: a request with the old cookie that is in flight during the sign-in can not revive it', async () => {
      const { ada, before, reply } = await signInMeanwhile(open)
      expect(reply.status).toBe(409)
      expect(reply.setCookies).toEqual([])
      expect((await before.get('/read')).json()).toEqual({})
      expect((await ada.get('/read')).json()).toEqual({ basket: 'book', userId: 'ada' })
    })

    test('R6 C4: sign-out clears the cookie, ends the session before the reply, and a replay of the cookie is anonymous', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const replay = ada.copy()
      const reply = await ada.get('/sign-out')
      expect(reply.status).toBe(302)
      expect(reply.setCookies).toEqual([
        expect.stringMatching(/^sid=; .*Max-Age=0; Expires=Thu, 01 Jan 1970/),
      ])
      expect(await site.stored()).toEqual([])
      expect(ada.cookies.size).toBe(0)
      expect((await replay.get('/read')).json()).toEqual({})
    })
  })
}

/** Ada signs in while a request with her cookie of before is in flight, which changes the session. */
export async function signInMeanwhile<M extends Medium>(
  open: OpenSite<M>,
): Promise<{ ada: Visitor; before: Visitor; reply: Reply }> {
  const arrived = deferred()
  const go = deferred()
  const site = await open({
    '/slow': async ({ owner, send }) => {
      owner.session.late = 'yes'
      arrived.resolve()
      await go.promise
      send('slow')
    },
  })
  const ada = site.visitor()
  await ada.get('/set?basket=book')
  const before = ada.copy()
  const slow = before.get('/slow')
  await arrived.promise
  await ada.get('/sign-in')
  go.resolve()
  return { ada, before, reply: await slow }
}
