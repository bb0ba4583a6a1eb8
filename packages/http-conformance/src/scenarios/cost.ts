import { setFlagsFromString } from 'node:v8'
import { runInThisContext } from 'node:vm'
import { describe, expect, test, vi } from 'vitest'
import type { Handler } from '../adapter.ts'
import { deferred } from '../deferred.ts'
import type { OpenSite } from '../site.ts'

/** To V8: of its own shape, which nothing that was compiled for others knows. */
function isDictionary(object: object): boolean {
  setFlagsFromString('--allow-natives-syntax')
  return runInThisContext('object => !%HasFastProperties(object)')(object)
}

export function cost(open: OpenSite): void {
  describe('what a request costs and carries', () => {
    test('R25: an untouched anonymous visitor: no store call, no cookie, no Vary', async () => {
      const site = await open()
      const reply = await site.ask('/still')
      expect([reply.setCookies, reply.headers.vary, reply.headers['cache-control']]).toEqual([
        [],
        undefined,
        undefined,
      ])
      expect(site.store.calls).toEqual([])
    })

    test('R20: a cookie that was not signed: no store call', async () => {
      const site = await open()
      const id = 'A'.repeat(43)
      for (const value of [id, `${id}.${id}`])
        await site.ask('/read', { headers: { cookie: `sid=${value}` } })
      expect(site.store.calls).toEqual([])
    })

    test('R25: an anonymous visitor who is only looked at: no store call, no cookie', async () => {
      const site = await open()
      const reply = await site.ask('/read')
      expect([reply.setCookies, reply.headers.vary]).toEqual([[], 'Cookie'])
      expect(site.store.calls).toEqual([])
    })

    test.each(['read', 'changed'])(
      'a session that is %s leaves no object of Node a dictionary, which would slow down all others',
      async way => {
        const seen: object[] = []
        const note: Handler = exchange => {
          const { req, res } = exchange.raw()
          seen.push(exchange.owner, req, res, req.socket)
          exchange.owner.session.changed = way === 'changed' ? String(seen.length) : 'no'
          exchange.send('noted')
        }
        const site = await open({ '/note': note })
        const ada = await site.signedIn()
        for (let i = 0; i < 2; i++) await ada.get('/note')
        expect(seen.map(isDictionary)).toEqual(seen.map(() => false))
      },
    )

    test('a session that is only read: one load, no write, no Set-Cookie', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const reply = await ada.get('/read')
      expect([reply.setCookies, reply.headers['cache-control']]).toEqual([[], undefined])
      expect(site.store.calls).toEqual(['load'])
    })

    test('a value that is replaced by an equal one is no change', async () => {
      const site = await open()
      const ada = await site.signedIn()
      await ada.get('/set?a=1')
      site.store.calls.length = 0
      await ada.get('/set?a=1')
      expect(site.store.calls).toEqual(['load'])
    })

    test('a change of a stored session: one load, one update, no Set-Cookie', async () => {
      const site = await open()
      const ada = await site.signedIn()
      expect((await ada.get('/set?a=1')).setCookies).toEqual([])
      expect(site.store.calls).toEqual(['load', 'update'])
    })

    test('C3: of 20 parallel reads, one touches', async () => {
      const allLoaded = deferred()
      const site = await open(
        {
          '/together': async ({ owner, send }) => {
            if (site.store.count('load') === 20) allLoaded.resolve()
            await allLoaded.promise
            send(String(owner.session.userId))
          },
        },
        { touchInterval: 0 },
      )
      const ada = await site.signedIn()
      await new Promise(done => setTimeout(done, 2))
      site.store.delay('update')
      const reads = Array.from({ length: 20 }, () => ada.get('/together'))
      for (const { body } of await Promise.all(reads)) expect(body).toBe('ada')
      expect(site.store.count('update')).toBe(1)
    })

    test('C3: a session that is only read is touched at most once per touchInterval', async () => {
      vi.useFakeTimers({ toFake: ['Date'] })
      try {
        const start = Date.now()
        const site = await open({}, { touchInterval: 60_000 })
        const ada = await site.signedIn()
        for (let seconds = 0; seconds <= 180; seconds += 20) {
          vi.setSystemTime(start + seconds * 1000)
          expect((await ada.get('/read')).setCookies).toEqual([])
        }
        expect(site.store.count('load')).toBe(10)
        expect(site.store.count('update')).toBe(3)
      } finally {
        vi.useRealTimers()
      }
    })

    test("a cookie of the handler's stays beside the session's", async () => {
      const site = await open({
        '/own': ({ owner, header, send }) => {
          owner.session.a = 1
          header('Set-Cookie', 'own=1')
          send('own')
        },
      })
      expect((await site.ask('/own')).setCookies).toEqual(['own=1', expect.stringMatching(/^sid=/)])
    })

    test('C7: a slow request that began before a sign-in does not touch the cookie', async () => {
      const arrived = deferred()
      const go = deferred()
      const site = await open({
        '/slow': async ({ owner, send }) => {
          arrived.resolve()
          await go.promise
          send(String(owner.session.isNew))
        },
      })
      const ada = site.visitor()
      await ada.get('/set?a=1')
      const slow = ada.copy().get('/slow')
      await arrived.promise
      await ada.get('/sign-in')
      go.resolve()
      expect((await slow).setCookies).toEqual([])
    })
  })
}
