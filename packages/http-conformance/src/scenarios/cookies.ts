import { describe, expect, test, vi } from 'vitest'
import { type OpenSite, secret } from '../site.ts'

const otherSecret = 'another secret, also long enough for production'

export function cookies(open: OpenSite): void {
  describe('the cookie', () => {
    test('R14: valid and forged cookies of one name give the same answer in both orders', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const valid = `sid=${ada.cookie}`
      for (const cookie of [`${valid}; sid=forged.x`, `sid=forged.x; ${valid}`, `sid=; ${valid};sid`]) {
        expect((await site.ask('/read', { headers: { cookie } })).json()).toEqual({ userId: 'ada' })
      }
    })

    test('R14: two valid cookies, one of them dead, give the same answer in both orders', async () => {
      const site = await open()
      const [dead, ada, eve] = [await site.signedIn(), await site.signedIn(), await site.signedIn()]
      await dead.copy().get('/sign-out')
      const ask = async (...values: string[]) => {
        const cookie = values.map(value => `sid=${value}`).join('; ')
        return (await site.ask('/read', { headers: { cookie } })).json()
      }
      expect(await ask(dead.cookie, ada.cookie)).toEqual({ userId: 'ada' })
      expect(await ask(ada.cookie, dead.cookie)).toEqual({ userId: 'ada' })
      await eve.get('/set?who=eve')
      await ada.get('/set?who=ada')
      expect(await ask(ada.cookie, eve.cookie)).toEqual(await ask(eve.cookie, ada.cookie))
    })

    test('R15: only the exact name counts', async () => {
      const site = await open({}, { cookie: { secure: true } })
      const ada = await site.signedIn()
      for (const name of [
        '__host-sid',
        '%5f%5fHost-sid',
        '=__Host-sid',
        '\u00a0__Host-sid',
        'x __Host-sid',
        'x__Host-sid',
        '__Host-sidx',
      ]) {
        const headers = { cookie: `${name}=${ada.cookie}` }
        expect((await site.ask('/read', { headers })).json(), name).toEqual({})
      }
      expect((await site.ask('/read', { headers: { cookie: `__Host-sid=${ada.cookie}` } })).json()).toEqual({
        userId: 'ada',
      })
    })

    test('R1 R20: a cookie with any character changed, cut or added is anonymous, and nothing is stored', async () => {
      const site = await open()
      const { cookie } = await site.signedIn()
      const forged = [
        ...Array.from(cookie, (_, at) => cookie.slice(0, at) + other(cookie, at) + cookie.slice(at + 1)),
        ...Array.from(cookie, (_, at) => cookie.slice(0, at)),
        ...['a', '.', '=', '%00', '.a'].map(more => cookie + more),
        ...[cookie.split('.')[0], `"${cookie}"`, encodeURIComponent(`${cookie}/`), `s:${cookie}`],
      ]
      for (const value of forged) {
        const reply = await site.ask('/read', { headers: { cookie: `sid=${value}` } })
        expect([reply.status, reply.json(), reply.setCookies], value).toEqual([200, {}, []])
      }
      expect(site.store.calls).toEqual([])
    })

    test('R1: an id that a forged cookie names is never adopted', async () => {
      const site = await open()
      const value = 'A'.repeat(43)
      const visitor = site.visitor()
      visitor.cookies.set('sid', `${value}.${value}`)
      await visitor.get('/set?a=1')
      expect(visitor.cookie).not.toContain(value)
      expect((await visitor.get('/read')).json()).toEqual({ a: '1' })
    })

    test('R22: a cookie of another cookie name, application or secret is anonymous', async () => {
      const site = await open()
      const { cookie } = await site.signedIn()
      for (const options of [
        { cookie: { name: 'other' } },
        { keyPrefix: 'other:' },
        { secret: otherSecret },
      ]) {
        const foreign = await open({}, { sharedStore: site.store, ...options })
        const name = foreign.sessions.settings.cookie.name
        expect((await foreign.ask('/read', { headers: { cookie: `${name}=${cookie}` } })).json()).toEqual({})
      }
    })

    test('R17: a session in the query, a header or the body does not count', async () => {
      const site = await open()
      const { cookie } = await site.signedIn()
      const reply = await site.ask(`/read?sid=${encodeURIComponent(cookie)}`, {
        headers: { sid: cookie, 'x-sid': cookie, authorization: `Bearer ${cookie}` },
      })
      expect(reply.json()).toEqual({})
    })

    test('a rotated secret logs nobody out, and the next touch signs the cookie with the new one', async () => {
      vi.useFakeTimers({ toFake: ['Date'] })
      try {
        const site = await open()
        const ada = await site.signedIn()
        const rotated = await open({}, { sharedStore: site.store, secret: [otherSecret, secret] })
        const headers = { cookie: `sid=${ada.cookie}` }
        expect((await rotated.ask('/read', { headers })).setCookies).toEqual([])
        vi.setSystemTime(Date.now() + 61_000)
        const reply = await rotated.ask('/read', { headers })
        expect(reply.json()).toEqual({ userId: 'ada' })
        const [, value] = /^sid=([^;]*)/.exec(reply.setCookies[0] ?? '') ?? []
        expect(value?.split('.')[0]).toBe(ada.cookie.split('.')[0])
        const done = await open({}, { sharedStore: site.store, secret: otherSecret })
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

  describe('in production', () => {
    const env = { NODE_ENV: 'production' }

    test('R9 R10 R11 R24: __Host-sid; Path=/; HttpOnly; Secure; SameSite=Lax, without Domain', async () => {
      const site = await open({}, { env })
      const [line = ''] = (await site.ask('/set?a=1')).setCookies
      const [pair = '', ...attributes] = line.split('; ')
      expect(pair).toMatch(/^__Host-sid=[A-Za-z0-9_-]{43}\.[A-Za-z0-9+/]{43}$/)
      expect(attributes.sort()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'])
    })

    test('R9: signing out clears the cookie with the same attributes, which browsers demand', async () => {
      const site = await open({}, { env })
      const ada = await site.signedIn()
      const [line = ''] = (await ada.get('/sign-out')).setCookies
      expect(line).toMatch(/^__Host-sid=; Path=\/; HttpOnly; Secure; SameSite=Lax; Max-Age=0; /)
    })

    const warnings = (log: readonly string[]) => log.filter(line => line.includes('plain http')).length

    test('R24: over plain http to a host that is not local, exactly one warning names the cause', async () => {
      const site = await open({}, { env })
      for (let times = 0; times < 3; times++) {
        await site.ask('/set?a=1', { headers: { host: 'shop.example' } })
      }
      expect(warnings(site.log)).toBe(1)
    })

    test.each([
      { host: 'localhost:3000' },
      { host: '127.0.0.1' },
      { host: '[::1]:80' },
      { host: 'shop.localhost' },
      { host: 'shop.example', 'x-forwarded-proto': 'https' },
      { host: 'shop.example', forwarded: 'for=1.2.3.4;proto=https' },
    ])('R24: no warning, and Secure all the same: %j', async headers => {
      const site = await open({}, { env })
      expect((await site.ask('/set?a=1', { headers })).setCookies).toEqual([
        expect.stringContaining('; Secure'),
      ])
      expect(warnings(site.log)).toBe(0)
    })
  })
}

function other(text: string, at: number): string {
  return text[at] === 'x' ? 'y' : 'x'
}
