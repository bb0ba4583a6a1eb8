import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { OpenSite } from '../site.ts'

/** Only the clock is moved; timers, sockets and everything else stay real. */
export function timeouts(open: OpenSite): void {
  describe('timeouts on the server', () => {
    let start = 0
    const at = (seconds: number) => vi.setSystemTime(start + seconds * 1000)
    beforeEach(() => {
      vi.useFakeTimers({ toFake: ['Date'] })
      start = Date.now()
    })
    afterEach(() => {
      vi.useRealTimers()
    })

    test('R4: an idle timeout of 2 s: alive after 1.5 s, dead after 2.1 s', async () => {
      const site = await open({}, { idleTimeout: 2000 })
      const ada = await site.signedIn()
      at(1.5)
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
      at(1.5 + 2.1)
      expect((await ada.get('/read')).json()).toEqual({})
    })

    test('R4: a session in use outlives its idle timeout many times', async () => {
      const site = await open({}, { idleTimeout: 2000 })
      const ada = await site.signedIn()
      for (let seconds = 1.5; seconds < 30; seconds += 1.5) {
        at(seconds)
        expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
      }
    })

    test.each(['/read', '/set?a=1', '/count', '/regenerate'])(
      'C3 R5: %s does not carry a session past its absolute timeout',
      async path => {
        const site = await open(
          {
            '/regenerate': async ({ owner, send }) => {
              await owner.session.regenerate()
              send('same user, new id')
            },
          },
          { idleTimeout: 2000, absoluteTimeout: 10_000 },
        )
        const ada = await site.signedIn()
        for (let seconds = 1; seconds < 10; seconds++) {
          at(seconds)
          await ada.get(path)
          expect((await ada.get('/read')).json()).toMatchObject({ userId: 'ada' })
        }
        at(10)
        expect((await ada.get('/read')).json()).toEqual({})
      },
    )

    test('R5: a sign-in begins the absolute timeout, a second one of the same user does not', async () => {
      const site = await open({}, { absoluteTimeout: 10_000 })
      const ada = site.visitor()
      await ada.get('/set?a=1')
      at(6)
      await ada.get('/sign-in')
      at(12)
      await ada.get('/sign-in')
      expect((await ada.get('/read')).json()).toEqual({ a: '1', userId: 'ada' })
      at(16)
      expect((await ada.get('/read')).json()).toEqual({})
    })

    test.each(['/set?a=1', '/count', '/read'])(
      'F9: a worker whose clock is an hour behind does not shorten the life of a session (%s)',
      async path => {
        const site = await open({}, { idleTimeout: 1_800_000, touchInterval: 0 })
        const ada = await site.signedIn()
        at(-3600)
        expect((await ada.get(path)).status).toBe(200)
        at(1)
        expect((await ada.get('/read')).json()).toMatchObject({ userId: 'ada' })
      },
    )

    test('a shorter absoluteTimeout ends older sessions at once', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const stricter = await open({}, { medium: site, absoluteTimeout: 1000 })
      const headers = { cookie: `sid=${ada.cookie}` }
      expect((await stricter.ask('/read', { headers })).json()).toEqual({ userId: 'ada' })
      at(1)
      expect((await stricter.ask('/read', { headers })).json()).toEqual({})
    })
  })
}
