import { describe, expect, test } from 'vitest'
import type { Place } from './place.ts'

const production = { NODE_ENV: 'production' }

/** RFC 6265bis, 4.1.1. */
const setCookie =
  /^[!#$%&'*+\-.^_`|~\w]+=[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*(; [A-Za-z-]+(=[\x20-\x3a\x3c-\x7e]+)?)*$/

/** Names the setting. */
const refusedBy = (setting: string) =>
  expect.objectContaining({
    code: 'ERR_SESSION_SETTING',
    message: expect.stringContaining(`cookie.${setting} `),
  })

/** What a Set-Cookie header says beside the value. */
export function attributes({ open }: Place): void {
  describe('the attributes of the cookie', () => {
    test.each([
      [{ name: '__Host-app', secure: false }, 'name'],
      [{ name: '__Secure-app', secure: false }, 'name'],
      [{ name: '__host-app', secure: false }, 'name'],
      [{ name: '__Host-app', path: '/app' }, 'name'],
      [{ name: '__Host-app', domain: 'example.com' }, 'name'],
      [{ path: '/app' }, 'name'],
      [{ domain: 'example.com' }, 'name'],
      [{ name: 'sid', path: '/a; Domain=evil.example' }, 'path'],
      [{ name: 'sid', domain: 'example.com; Secure' }, 'domain'],
    ])('R9: in production the start fails with %j', async (cookie, setting) => {
      await expect(open({}, { env: production, cookie })).rejects.toEqual(refusedBy(setting))
    })

    test.each([
      [{ sameSite: 'None' as const }, {}],
      [{ sameSite: 'none' as const, secure: false }, production],
    ])('R10: None without Secure fails the start: %j', async (cookie, env) => {
      await expect(open({}, { env, cookie })).rejects.toEqual(refusedBy('sameSite'))
    })

    test.each([
      [{}, 'Lax'],
      [{ sameSite: 'Strict' as const }, 'Strict'],
      [{ sameSite: 'None' as const, secure: true }, 'None'],
    ])('R10: SameSite is explicit, at sign-in and at sign-out: %j', async (cookie, expected) => {
      const site = await open({}, { cookie })
      const ada = site.visitor()
      const lines = [...(await ada.get('/sign-in')).setCookies, ...(await ada.get('/sign-out')).setCookies]
      const said = lines.map(line => line.match(/(?<=; SameSite=)[^;]*/g))
      expect(said).toEqual([[expected], [expected]])
    })

    test('R13: nothing but cookie octets, whatever the session holds', async () => {
      const odd = '"\\,; =\r\n\0\u0000\u00e9\ud83e\udd8a'
      const site = await open({
        '/odd': async ({ owner, send }) => {
          owner.session[odd] = odd
          await owner.session.regenerate({ userId: odd })
          send('')
        },
      })
      const ada = site.visitor()
      const lines = [...(await ada.get('/odd')).setCookies]
      expect((await ada.get('/read')).json()).toEqual({ [odd]: odd, userId: odd })
      lines.push(...(await ada.get('/sign-out')).setCookies)
      expect(lines).toEqual([expect.stringMatching(setCookie), expect.stringMatching(setCookie)])
    })

    test('R13: an age of at most 400 days, however long the session', async () => {
      const long = 1000 * 24 * 60 * 60 * 1000
      const site = await open(
        {
          '/remember': ({ owner, send }) => {
            owner.session.cookie.maxAge = long
            send('')
          },
        },
        { persistent: true, idleTimeout: long, absoluteTimeout: long },
      )
      for (const path of ['/sign-in', '/remember?']) {
        const ada = await site.signedIn()
        const reply = await ada.get(path)
        expect(reply.setCookies).toEqual([expect.stringMatching(/; Max-Age=34560000$/)])
      }
    })
  })
}
