import { describe, expect, test } from 'vitest'
import type { OpenSite } from '../site.ts'

export function signIn(open: OpenSite): void {
  describe('sign-in and sign-out', () => {
    test.each([
      ['/sign-out', {}],
      ['/sign-in', { userId: 'ada' }],
    ])(
      'C4 C5: %s ends every session that the browser has a cookie of this name for',
      async (path, stands) => {
        const site = await open()
        const cookies = []
        for (const who of ['one', 'two']) {
          const visitor = await site.signedIn()
          await visitor.get(`/set?who=${who}`)
          cookies.push(`sid=${visitor.cookie}`)
        }
        for (const cookie of [cookies.join('; '), cookies.toReversed().join('; ')]) {
          const headers = { cookie }
          const { who } = (await site.ask('/read', { headers })).json()
          const [setCookie = ''] = (await site.ask(path, { headers })).setCookies
          expect((await site.ask('/read', { headers })).json()).toEqual({})
          const now = { cookie: `${setCookie.split(';')[0]}; ${cookie}` }
          const expected = path === '/sign-in' && who !== undefined ? { ...stands, who } : stands
          expect((await site.ask('/read', { headers: now })).json()).toEqual(expected)
        }
      },
    )

    test('C4: keys that are set after sign-out begin a new session, without anything of the old one', async () => {
      const site = await open({
        '/leave': async ({ owner, send }) => {
          await owner.session.destroy()
          owner.session.bye = 'ada'
          send('bye')
        },
      })
      const ada = await site.signedIn()
      await ada.get('/set?basket=book')
      const before = ada.copy()
      await ada.get('/leave')
      expect(ada.cookie).not.toBe(before.cookie)
      expect((await ada.get('/read')).json()).toEqual({ bye: 'ada' })
      expect((await before.get('/read')).json()).toEqual({})
    })

    test('signing in and out in one request leaves no cookie and no session', async () => {
      const site = await open({
        '/both': async ({ owner, send }) => {
          await owner.session.regenerate({ userId: 'ada' })
          await owner.session.destroy()
          send('nobody')
        },
      })
      expect((await site.ask('/both')).setCookies).toEqual([])
      expect(site.events).toEqual(['create', 'destroy'])
    })

    test('C5: a sign-in over a session that ended elsewhere begins anew, with nothing of the old one', async () => {
      const site = await open({
        '/ended': async ({ owner, send }) => {
          await other.get('/sign-out')
          owner.session.now = 'here'
          await owner.session.regenerate({ userId: 'eve' })
          send('welcome')
        },
      })
      const ada = await site.signedIn()
      await ada.get('/set?basket=book')
      const other = ada.copy()
      expect((await ada.get('/ended')).status).toBe(200)
      expect((await ada.get('/read')).json()).toEqual({ now: 'here', userId: 'eve' })
    })

    test('C5: regenerate without a sign-in over a session that ended elsewhere is a 409', async () => {
      const site = await open({
        '/ended': async ({ owner, send }) => {
          await other.get('/sign-out')
          await owner.session.regenerate()
          send('welcome')
        },
      })
      const ada = await site.signedIn()
      const other = ada.copy()
      const reply = await ada.get('/ended')
      expect(reply.status).toBe(409)
      expect(reply.setCookies).toEqual([])
    })

    test.each(['regenerate', 'save'] as const)(
      'C4: after a regenerate that found the session ended elsewhere, %s() does not bring it back',
      async method => {
        const site = await open({
          '/again': async ({ owner, send }) => {
            await other.get('/sign-out')
            await owner.session.regenerate().catch(() => undefined)
            await owner.session[method]()
            send('welcome')
          },
        })
        const ada = await site.signedIn()
        await ada.get('/set?basket=book')
        const other = ada.copy()
        site.events.length = 0
        const reply = await ada.get('/again')
        expect([reply.status, reply.setCookies]).toEqual([409, []])
        expect(site.events).not.toContain('create')
      },
    )

    test('session.id is what the cookie carries, and sign-in changes it', async () => {
      const ids: unknown[] = []
      const site = await open({
        '/id': ({ owner, send }) => {
          ids.push(owner.session.id)
          send('')
        },
      })
      const ada = site.visitor()
      await ada.get('/id')
      await ada.get('/set?a=1')
      await ada.get('/id')
      const first = ada.cookie
      await ada.get('/sign-in')
      await ada.get('/id')
      expect(ids[0]).toBeUndefined()
      expect(first).toMatch(new RegExp(`^${ids[1]}\\.`))
      expect(ids[2]).not.toBe(ids[1])
    })

    test('session.userId can not be assigned, and regenerate refuses one that is no string', async () => {
      const errors: unknown[] = []
      const site = await open({
        '/wrong': async ({ owner, send }) => {
          const attempts = [
            () => Reflect.set(owner.session, 'userId', 'eve'),
            () => Reflect.apply(owner.session.regenerate, owner.session, [{ userId: 7 }]),
            () => owner.session.regenerate({ userId: '' }),
          ]
          for (const attempt of attempts)
            await new Promise(done => done(attempt())).catch(error => errors.push(error))
          send(String(owner.session.userId))
        },
      })
      const ada = await site.signedIn()
      expect((await ada.get('/wrong')).body).toBe('ada')
      expect(errors).toEqual([expect.any(TypeError), expect.any(TypeError), expect.any(TypeError)])
    })
  })
}
