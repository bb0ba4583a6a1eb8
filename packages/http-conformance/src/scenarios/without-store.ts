import { SessionError } from '@sojourn/core'
import { describe, expect, test } from 'vitest'
import type { OpenSite } from '../site.ts'

/** A site whose `/try/...` routes each try one change, and tell the code of the error. */
const tries = {
  '/try/set': 'set',
  '/try/regenerate': 'regenerate',
  '/try/update': 'update',
  '/try/destroy': 'destroy',
  '/try/save': 'save',
  '/try/flash': 'flash',
  '/try/age': 'age',
} as const

export function withoutStore(open: OpenSite): void {
  describe("onStoreFailure: 'anonymous'", () => {
    const openSite: OpenSite = (routes, options) => open(routes, { onStoreFailure: 'anonymous', ...options })

    test('C1: a page whose session can not be loaded is served without it; no cookie is set or cleared', async () => {
      const site = await openSite()
      const ada = await site.signedIn()
      site.store.fail('load', 'create', 'update', 'destroy')
      const reply = await ada.get('/read')
      expect([reply.status, reply.json(), reply.setCookies]).toEqual([200, {}, []])
      expect([reply.headers.vary, reply.headers['cache-control']]).toEqual(['Cookie', 'no-store'])
      expect(site.store.count('create', 'update', 'destroy')).toBe(0)
      site.store.heal()
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })

    test.each(Object.entries(tries))('%s is refused as ERR_SESSION_STORE_UNAVAILABLE', async (path, what) => {
      let code: unknown
      const site = await openSite({
        [path]: async ({ owner: { session }, send }) => {
          const change = {
            set: () => Object.assign(session, { a: 1 }),
            regenerate: () => session.regenerate({ userId: 'eve' }),
            update: () => session.update(() => undefined),
            destroy: () => session.destroy(),
            save: () => session.save(),
            flash: () => session.flash('notice', 'hello'),
            age: () => Object.assign(session.cookie, { maxAge: 1000 }),
          }[what]
          try {
            await change()
          } catch (error) {
            code = error instanceof Error && 'code' in error && error.code
          }
          send('changed')
        },
      })
      const ada = await site.signedIn()
      site.store.fail('load')
      const reply = await ada.get(path)
      expect(code).toBe('ERR_SESSION_STORE_UNAVAILABLE')
      // Who sets a key knows at once; of a call the answer may not say that it was done.
      expect(reply.status).toBe(['set', 'flash', 'age'].includes(what) ? 200 : 503)
      expect([reply.status === 200 || !reply.body.includes('changed'), reply.setCookies]).toEqual([true, []])
      expect(site.store.count('create', 'update', 'destroy')).toBe(0)
    })

    test.each(['destroy', 'save', 'regenerate'] as const)(
      'C6: %s() that nobody awaits, or with a callback that does not look at its error, is a 503',
      async method => {
        const site = await openSite({
          '/forgot': ({ owner, redirect }) => {
            owner.session[method]()
            redirect('/')
          },
          '/called-back': ({ owner, redirect }) =>
            new Promise<void>(resolve => {
              owner.session[method](() => {
                redirect('/')
                resolve()
              })
            }),
        })
        const ada = await site.signedIn()
        site.store.fail('load')
        for (const path of ['/forgot', '/called-back']) {
          const reply = await ada.get(path)
          expect([reply.status, reply.headers.location, reply.setCookies]).toEqual([503, undefined, []])
        }
        site.store.heal()
        expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
      },
    )

    test('messages can be read as connect-flash reads them: there are none', async () => {
      const site = await openSite({
        '/messages': ({ owner, send }) => {
          Object.assign(owner.session, { flash: owner.session.flash })
          send(JSON.stringify(owner.session.flash('info')))
        },
      })
      const ada = await site.signedIn()
      site.store.fail('load')
      expect((await ada.get('/messages')).json()).toEqual([])
    })

    test('C6: a change that nobody catches is a 503', async () => {
      const site = await openSite()
      const ada = await site.signedIn()
      site.store.fail('load')
      for (const path of ['/set?a=1', '/count', '/sign-in', '/sign-out']) {
        const reply = await ada.get(path)
        expect([reply.status, reply.setCookies]).toEqual([503, []])
      }
    })

    test('can be chosen where the middleware is mounted, for its pages alone', async () => {
      const site = await open({}, { mount: { onStoreFailure: 'anonymous' } })
      const strict = await open({}, { onStoreFailure: 'anonymous', mount: { onStoreFailure: 'error' } })
      for (const [each, status] of [
        [site, 200],
        [strict, 503],
      ] as const) {
        const ada = await each.signedIn()
        each.store.fail('load')
        expect((await ada.get('/read')).status).toBe(status)
      }
    })

    test('a session that is damaged is still an error: the store is not down', async () => {
      const site = await openSite()
      const ada = await site.signedIn()
      site.store.failWith(new SessionError('ERR_SESSION_CORRUPT', 'damaged'), 'load')
      expect((await ada.get('/read')).status).toBe(500)
    })
  })
}
