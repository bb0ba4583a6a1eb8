import { describe, expect, test, vi } from 'vitest'
import { type OpenSite, secret } from '../site.ts'

const otherSecret = 'another secret, also long enough for production'

export function cookies(open: OpenSite): void {
  describe('the cookie', () => {
    test('a rotated secret logs nobody out, and the next touch signs the cookie with the new one', async () => {
      vi.useFakeTimers({ toFake: ['Date'] })
      try {
        const site = await open()
        const ada = await site.signedIn()
        const rotated = await open({}, { medium: site, secret: [otherSecret, secret] })
        const headers = { cookie: `sid=${ada.cookie}` }
        expect((await rotated.ask('/read', { headers })).setCookies).toEqual([])
        vi.setSystemTime(Date.now() + 61_000)
        const reply = await rotated.ask('/read', { headers })
        expect(reply.json()).toEqual({ userId: 'ada' })
        const [, value] = /^sid=([^;]*)/.exec(reply.setCookies[0] ?? '') ?? []
        expect(value?.split('.')[0]).toBe(ada.cookie.split('.')[0])
        const done = await open({}, { medium: site, secret: otherSecret })
        expect((await done.ask('/read', { headers: { cookie: `sid=${value}` } })).json()).toEqual({
          userId: 'ada',
        })
        expect((await done.ask('/read', { headers })).json()).toEqual({})
      } finally {
        vi.useRealTimers()
      }
    })

    test('session.cookie.maxAge makes one session outlive the browser, until it is taken back', async () => {
      const site = await open({
        '/remember': ({ owner, send }) => {
          owner.session.cookie.maxAge = 60_000
          send(String(owner.session.cookie.maxAge))
        },
        '/forget': ({ owner, send }) => {
          owner.session.cookie.maxAge = undefined
          send(String(owner.session.cookie.maxAge))
        },
      })
      const ada = await site.signedIn()
      expect((await ada.get('/remember')).setCookies).toEqual([expect.stringMatching(/; Max-Age=60$/)])
      expect((await ada.get('/sign-in')).setCookies).toEqual([expect.stringMatching(/; Max-Age=60$/)])
      const reply = await ada.get('/forget')
      expect(reply.setCookies).toEqual([expect.not.stringContaining('Max-Age')])
      expect((await ada.get('/sign-in')).setCookies).toEqual([expect.not.stringContaining('Max-Age')])
    })

    test.each([0, -1, Number.NaN, '60'])('session.cookie.maxAge refuses %s', async value => {
      const errors: unknown[] = []
      const site = await open({
        '/wrong': ({ owner, send }) => {
          try {
            Reflect.set(owner.session.cookie, 'maxAge', value)
          } catch (error) {
            errors.push(error)
          }
          send('')
        },
      })
      await site.ask('/wrong')
      expect(errors).toEqual([expect.any(TypeError)])
    })

    test('persistent: true gives every cookie a Max-Age as long as the session', async () => {
      const site = await open({}, { persistent: true, idleTimeout: 120_000 })
      expect((await site.ask('/set?a=1')).setCookies).toEqual([expect.stringMatching(/; Max-Age=120$/)])
    })

    test('without either the cookie ends with the browser', async () => {
      const site = await open()
      expect((await site.ask('/set?a=1')).setCookies).toEqual([
        expect.stringMatching(/^sid=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/),
      ])
    })
  })
}
