import { describe, expect, test } from 'vitest'
import { deferred } from '../deferred.ts'
import { countOne, type OpenSite } from '../site.ts'

export function parallel(open: OpenSite): void {
  describe('parallel requests of one session', () => {
    test('C2: 100 that set different keys lose none', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const keys = Array.from({ length: 100 }, (_, index) => `key${index}`)
      const replies = await Promise.all(keys.map(key => ada.get(`/set?${key}=yes`)))
      expect(replies.map(({ status }) => status)).toEqual(keys.map(() => 200))
      const expected = Object.fromEntries(keys.map(key => [key, 'yes']))
      expect((await ada.get('/read')).json()).toEqual({ ...expected, userId: 'ada' })
    })

    test('C2: 100 that count with update(fn) each count once, and each gets a number of its own', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const replies = await Promise.all(Array.from({ length: 100 }, () => ada.get('/count')))
      const counts = replies.map(({ body }) => Number(body)).sort((a, b) => a - b)
      expect(counts).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
      expect((await ada.get('/read')).json()).toMatchObject({ count: 100 })
    })

    test('C2: two updates in each of 30 requests lose none', async () => {
      const site = await open({
        '/twice': async ({ owner, send }) => {
          await owner.session.update(countOne)
          await new Promise(done => setTimeout(done, Math.random() * 5))
          await owner.session.update(countOne)
          send('counted')
        },
      })
      const ada = await site.signedIn()
      await Promise.all(Array.from({ length: 30 }, () => ada.get('/twice')))
      expect((await ada.get('/read')).json()).toMatchObject({ count: 60 })
    })

    test('C2: an update after save() runs on what others stored before it', async () => {
      const site = await open({
        '/save-then-count': async ({ owner, send }) => {
          for (let times = 0; times < 3; times++) await other.get('/count')
          owner.session.theme = 'dark'
          await owner.session.save()
          send(String(await owner.session.update(countOne)))
        },
      })
      const ada = await site.signedIn()
      const other = ada.copy()
      expect((await ada.get('/save-then-count')).body).toBe('4')
      expect((await ada.get('/read')).json()).toEqual({ theme: 'dark', count: 4, userId: 'ada' })
    })

    test('C2: update(fn) also stores what was changed in place before it', async () => {
      const site = await open({
        '/basket': ({ owner, send }) => {
          owner.session.basket = { books: 1 }
          send('')
        },
        '/more': async ({ owner, send }) => {
          Object.assign(owner.session.basket as object, { books: 2 })
          await owner.session.update(countOne)
          send(JSON.stringify(owner.session))
        },
      })
      const ada = await site.signedIn()
      await ada.get('/basket')
      expect((await ada.get('/more')).json()).toEqual({ basket: { books: 2 }, count: 1 })
      expect((await ada.get('/read')).json()).toEqual({ basket: { books: 2 }, count: 1, userId: 'ada' })
    })

    test('C2: what was changed in place after save() of a new session is stored by update(fn)', async () => {
      const site = await open({
        '/new': async ({ owner, send }) => {
          const basket = { books: 1 }
          owner.session.basket = basket
          await owner.session.save()
          basket.books = 2
          Object.assign(owner.session.basket as object, { books: 2 })
          await owner.session.update(countOne)
          send('')
        },
      })
      const visitor = site.visitor()
      await visitor.get('/new')
      expect((await visitor.get('/read')).json()).toEqual({ basket: { books: 2 }, count: 1 })
    })

    test('C5: regenerate after save() keeps what was saved, and what others stored meanwhile', async () => {
      const site = await open({
        '/save-then-enter': async ({ owner, send }) => {
          await other.get('/set?basket=book')
          owner.session.theme = 'dark'
          await owner.session.save()
          await owner.session.regenerate({ userId: 'eve' })
          send('welcome')
        },
      })
      const ada = await site.signedIn()
      const other = ada.copy()
      await ada.get('/save-then-enter')
      expect((await ada.get('/read')).json()).toEqual({ theme: 'dark', basket: 'book', userId: 'eve' })
    })

    test('C5: regenerate that races 50 updates loses none that was acknowledged', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const others = Array.from({ length: 50 }, () => ada.copy())
      site.store.delay('update', 1)
      const keys = others.map((_, index) => `key${index}`)
      const asked = others.map((other, index) => other.get(`/set?${keys[index]}=yes`))
      const counted = others.slice(0, 10).map(other => other.copy().get('/count'))
      await ada.get('/sign-in')
      const stored = (await Promise.all(asked)).map(({ status }) => status === 200)
      const counts = (await Promise.all(counted)).filter(({ status }) => status === 200).length
      const now = (await ada.get('/read')).json()
      expect(keys.filter(key => key in now)).toEqual(keys.filter((_, index) => stored[index]))
      expect(now.count ?? 0).toBe(counts)
      expect(now.userId).toBe('ada')
    })

    test('C4: sign-out that races 50 requests in flight stays a sign-out', async () => {
      const arrived = deferred()
      const go = deferred()
      let waiting = 0
      const site = await open({
        '/slow': async ({ owner, url, send }) => {
          if (++waiting === 50) arrived.resolve()
          await go.promise
          if (url.endsWith('count')) await owner.session.update(countOne)
          else owner.session.late = url
          send('slow')
        },
      })
      const ada = await site.signedIn()
      const others = Array.from({ length: 50 }, () => ada.copy())
      const asked = others.map((other, index) => other.get(`/slow?${index % 2 ? 'count' : index}`))
      await arrived.promise
      await ada.copy().get('/sign-out')
      go.resolve()
      for (const reply of await Promise.all(asked)) {
        expect(reply.status).toBe(409)
        expect(reply.setCookies).toEqual([])
      }
      for (const replay of others) expect((await replay.get('/read')).json()).toEqual({})
    })

    test.each([
      ['persistent: true', { persistent: true }],
      ['cookie.maxAge', {}],
    ])('C7: a slow response does not overwrite the cookie of a fresh sign-in (%s)', async (how, options) => {
      const counted = deferred()
      const go = deferred()
      const site = await open(
        {
          '/enter': async ({ owner, send }) => {
            await owner.session.regenerate({ userId: 'ada' })
            if (how === 'cookie.maxAge') owner.session.cookie.maxAge = 86_400_000
            send('welcome')
          },
          '/slow': async ({ owner, send }) => {
            await owner.session.update(countOne)
            owner.session.more = 'data'
            await owner.session.save()
            counted.resolve()
            await go.promise
            send('slow')
          },
        },
        { touchInterval: 0, ...options },
      )
      const ada = site.visitor()
      await ada.get('/enter')
      await new Promise(done => setTimeout(done, 2))
      const slow = ada.copy().get('/slow')
      await counted.promise
      await ada.get('/enter')
      go.resolve()
      const reply = await slow
      expect([reply.status, reply.setCookies]).toEqual([200, []])
    })

    test('C7: so it is if it changed the age of its cookie, and saved that', async () => {
      const saved = deferred()
      const go = deferred()
      const site = await open({
        '/enter': async ({ owner, send }) => {
          await owner.session.regenerate({ userId: 'ada' })
          send('welcome')
        },
        '/slow': async ({ owner, send }) => {
          owner.session.cookie.maxAge = 86_400_000
          await owner.session.save()
          saved.resolve()
          await go.promise
          send('slow')
        },
      })
      const ada = site.visitor()
      await ada.get('/enter')
      const slow = ada.copy().get('/slow')
      await saved.promise
      await ada.get('/enter')
      go.resolve()
      const reply = await slow
      expect([reply.status, reply.setCookies]).toEqual([200, []])
    })

    describe("conflict: 'reject'", () => {
      const racing = async () => {
        const site = await open(
          {
            '/slow': async ({ owner, url, send }) => {
              await other.get('/set?theme=dark')
              owner.session[url.endsWith('theme') ? 'theme' : 'size'] = 'light'
              send('set')
            },
            '/slow-update': async ({ owner, send }) => {
              await other.get('/set?theme=dark')
              owner.session.theme = 'light'
              await owner.session.update(countOne)
              send('set')
            },
          },
          { conflict: 'reject' },
        )
        const ada = await site.signedIn()
        const other = ada.copy()
        return ada
      }

      test.each(['/slow?theme', '/slow-update'])(
        'C2: a key that another request changed first is a 409 (%s)',
        async path => {
          const ada = await racing()
          const reply = await ada.get(path)
          expect([reply.status, reply.setCookies]).toEqual([409, []])
          expect((await ada.get('/read')).json()).toEqual({ theme: 'dark', userId: 'ada' })
        },
      )

      test('C2: different keys are no conflict', async () => {
        const ada = await racing()
        expect((await ada.get('/slow?size')).status).toBe(200)
        expect((await ada.get('/read')).json()).toEqual({ theme: 'dark', size: 'light', userId: 'ada' })
      })
    })
  })
}
