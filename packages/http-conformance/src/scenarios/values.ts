import { describe, expect, test } from 'vitest'
import type { OpenSite } from '../site.ts'

const cycle: Record<string, unknown> = {}
cycle.self = cycle

const unfit: Readonly<Record<string, readonly [unknown, string]>> = {
  'a Date': [{ list: [0, { when: new Date(0) }] }, 'session.value.list[1].when'],
  'a Map': [new Map(), 'session.value'],
  'a bigint': [{ n: 1n }, 'session.value.n'],
  NaN: [[Number.NaN], 'session.value[0]'],
  '-0': [-0, 'session.value'],
  'undefined inside': [{ a: undefined }, 'session.value.a'],
  'a function': [{ f: () => 1 }, 'session.value.f'],
  'a cycle': [cycle, 'session.value.self'],
}

type Basket = { list: unknown[]; note?: unknown }

/** What leaves the JSON of a value as it was. */
const unseen: Readonly<Record<string, (basket: Basket) => unknown>> = {
  'a key on an array': ({ list }) => Object.assign(list, { total: 5 }),
  'NaN for null': ({ list }) => {
    list[0] = Number.NaN
  },
  '-0 for 0': ({ list }) => {
    list[1] = -0
  },
  'an undefined property': basket => {
    basket.note = undefined
  },
  'a method': basket => {
    basket.note = () => 5
  },
  'a symbol as a key': basket => Object.assign(basket, { [Symbol('note')]: 5 }),
  'a hidden key': basket => Object.defineProperty(basket, 'note', { value: 5 }),
}

export function values(open: OpenSite): void {
  describe('what a session keeps', () => {
    test.each(Object.entries(unfit))(
      '%s is a 500 ERR_SESSION_VALUE that names its path; the old session is intact',
      async (_, [value, path]) => {
        const seen: unknown[] = []
        const site = await open(
          {
            '/unfit': ({ owner, send }) => {
              owner.session.basket = 'changed'
              owner.session.value = value
              send('stored')
            },
          },
          { errors: { answer: error => ({ status: 500, body: String(seen.push(error)) }) } },
        )
        const ada = await site.signedIn()
        await ada.get('/set?basket=book')
        const reply = await ada.get('/unfit')
        expect([reply.status, reply.body, reply.setCookies]).toEqual([500, '1', []])
        const message = expect.stringContaining(`${path}`)
        expect(seen).toEqual([expect.objectContaining({ code: 'ERR_SESSION_VALUE', message })])
        expect((await ada.get('/read')).json()).toEqual({ basket: 'book', userId: 'ada' })
      },
    )

    test.each(Object.entries(unseen))(
      '%s inside a value whose JSON stays the same is a 500, not lost in silence',
      async (_, add) => {
        const site = await open({
          '/fill': ({ owner, send }) => {
            owner.session.basket = { list: [null, 0] }
            send('filled')
          },
          '/add': ({ owner, send }) => {
            add(owner.session.basket as Basket)
            send('added')
          },
        })
        const ada = await site.signedIn()
        await ada.get('/fill')
        expect((await ada.get('/add')).status).toBe(500)
        expect((await ada.get('/read')).json()).toEqual({ basket: { list: [null, 0] }, userId: 'ada' })
      },
    )

    test('regenerate with such a value leaves the old session intact', async () => {
      const site = await open({
        '/unfit': async ({ owner, send }) => {
          owner.session.value = new Date()
          await owner.session.regenerate({ userId: 'eve' })
          send('welcome')
        },
      })
      const ada = await site.signedIn()
      const reply = await ada.get('/unfit')
      expect([reply.status, reply.setCookies]).toEqual([500, []])
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })

    test('setting a key to undefined removes it', async () => {
      const site = await open({
        '/remove': ({ owner, send }) => {
          owner.session.a = undefined
          delete owner.session.b
          send('removed')
        },
      })
      const ada = await site.signedIn()
      await ada.get('/set?a=1&b=2&c=3')
      expect((await ada.get('/remove')).status).toBe(200)
      expect((await ada.get('/read')).json()).toEqual({ c: '3', userId: 'ada' })
    })

    test('what is changed inside a value is stored', async () => {
      const site = await open({
        '/push': ({ owner, send }) => {
          owner.session.basket ??= { books: [] }
          const basket = owner.session.basket as { books: number[] }
          basket.books.push(basket.books.length)
          send(JSON.stringify(basket))
        },
      })
      const ada = site.visitor()
      await ada.get('/push')
      expect((await ada.get('/push')).json()).toEqual({ books: [0, 1] })
    })

    test.each([
      'id',
      'userId',
      'cookie',
      'regenerate',
      'destroy',
      'save',
      'update',
      'isNew',
      'constructor',
      '__proto__',
    ])('session.%s can not be used as a key', async key => {
      const errors: unknown[] = []
      const site = await open({
        '/reserved': ({ owner, send }) => {
          for (const attempt of [
            () => Reflect.set(owner.session, key, 1),
            () => Object.defineProperty(owner.session, key, { value: 1 }),
          ]) {
            try {
              attempt()
            } catch (error) {
              errors.push(error)
            }
          }
          send('')
        },
      })
      await site.ask('/reserved')
      expect(errors).toEqual([expect.any(TypeError), expect.any(TypeError)])
      expect(site.store.calls).toEqual([])
    })

    test('update(fn) refuses a reserved key as well', async () => {
      const site = await open({
        '/reserved': async ({ owner, send }) => {
          const refused = await owner.session
            .update(data => Object.assign(data, { userId: 'eve' }))
            .catch(String)
          send(String(refused))
        },
      })
      const ada = await site.signedIn()
      expect((await ada.get('/reserved')).body).toMatch(/^TypeError/)
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })

    test('the session itself can not be replaced', async () => {
      const errors: unknown[] = []
      const site = await open({
        '/replace': ({ owner, send }) => {
          for (const value of [{}, null, undefined]) {
            try {
              Object.assign(owner, { session: value })
            } catch (error) {
              errors.push(error)
            }
          }
          send(String(owner.session.userId))
        },
      })
      const ada = await site.signedIn()
      expect((await ada.get('/replace')).body).toBe('ada')
      expect(errors).toEqual([expect.any(TypeError), expect.any(TypeError), expect.any(TypeError)])
    })

    test('flash: other messages may be assigned, all may be deleted, and nothing else takes their place', async () => {
      const outcomes: unknown[] = []
      const site = await open({
        '/assign': ({ owner, send }) => {
          Object.assign(owner.session, { flash: { info: ['assigned'] } })
          send('')
        },
        '/text': ({ owner, send }) => {
          try {
            Object.assign(owner.session, { flash: 'hello' })
          } catch (error) {
            outcomes.push(error)
          }
          send('')
        },
        '/delete': ({ owner, send }) => {
          Reflect.deleteProperty(owner.session, 'flash')
          send('')
        },
        '/page': ({ owner, send }) => send(JSON.stringify(owner.session.flash('info'))),
      })
      const ada = await site.signedIn()
      await ada.get('/assign')
      await ada.get('/text')
      expect(outcomes).toEqual([expect.any(TypeError)])
      expect((await ada.get('/page')).body).toBe('["assigned"]')
      await ada.get('/assign')
      await ada.get('/delete')
      expect((await ada.get('/page')).body).toBe('[]')
    })

    test('a message crosses a redirect and is shown once', async () => {
      const site = await open({
        '/save': ({ owner, redirect }) => {
          owner.session.flash('info', 'saved')
          owner.session.flash('info', 'really')
          redirect('/page')
        },
        '/page': ({ owner, send }) => send(JSON.stringify({ info: owner.session.flash('info') })),
      })
      const visitor = site.visitor()
      expect((await visitor.get('/save')).status).toBe(302)
      expect((await visitor.get('/page')).json()).toEqual({ info: ['saved', 'really'] })
      expect((await visitor.get('/page')).json()).toEqual({ info: [] })
    })

    test('mounted twice, the middleware works as if mounted once', async () => {
      const site = await open({}, { mounted: 2 })
      const ada = await site.signedIn()
      await ada.get('/set?a=1')
      site.store.calls.length = 0
      expect((await ada.get('/read')).json()).toEqual({ a: '1', userId: 'ada' })
      expect(site.store.calls).toEqual(['load'])
    })
  })
}
