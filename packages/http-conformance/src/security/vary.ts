import { describe, expect, test } from 'vitest'
import type { Exchange } from '../adapter.ts'
import type { Medium } from '../medium.ts'
import type { OpenSite } from '../site.ts'

const looks: Readonly<Record<string, (exchange: Exchange) => unknown>> = {
  'a read': ({ owner }) => owner.session.theme,
  in: ({ owner }) => 'theme' in owner.session,
  'Object.keys': ({ owner }) => Object.keys(owner.session),
  userId: ({ owner }) => owner.session.userId,
  isNew: ({ owner }) => owner.session.isNew,
}

/** What caches learn of a response. */
export function vary<M extends Medium>(open: OpenSite<M>): void {
  describe('caches', () => {
    test.each(Object.keys(looks))('R18: %s is a look at the session: Vary: Cookie', async how => {
      const site = await open({
        '/look': exchange => {
          looks[how]?.(exchange)
          exchange.send('looked')
        },
      })
      expect((await site.ask('/look')).headers.vary).toBe('Cookie')
      expect((await (await site.signedIn()).get('/look')).headers.vary).toBe('Cookie')
    })

    test.each([
      ['Accept', 'Accept, Cookie'],
      [['Accept', 'Origin'], 'Accept, Origin, Cookie'],
      ['cookie', 'cookie'],
      ['*', '*'],
      ['', 'Cookie'],
    ])('R18: Vary: %s becomes %s', async (given, expected) => {
      const site = await open({
        '/vary': ({ owner, header, send }) => {
          header('Vary', given)
          send(String(owner.session.isNew))
        },
      })
      expect((await site.ask('/vary')).headers.vary).toBe(expected)
    })

    test('R18: a touch that prolongs the cookie says Vary and no-store, even if nobody looked', async () => {
      const site = await open({}, { persistent: true, touchInterval: 0 })
      const ada = await site.signedIn()
      // A touch is due as soon as the clock of the server shows another millisecond.
      await new Promise(done => setTimeout(done, 5))
      const reply = await ada.get('/still')
      expect(reply.setCookies.length).toBe(1)
      expect([reply.headers.vary, reply.headers['cache-control']]).toEqual(['Cookie', 'no-store'])
    })

    test('R18: Set-Cookie comes with Cache-Control: no-store, unless the handler set its own', async () => {
      const site = await open({
        '/own': ({ owner, header, send }) => {
          owner.session.a = 1
          header('Cache-Control', 'private')
          send('own')
        },
      })
      expect((await site.ask('/set?a=1')).headers['cache-control']).toBe('no-store')
      expect((await site.ask('/own')).headers['cache-control']).toBe('private')
    })
  })
}
