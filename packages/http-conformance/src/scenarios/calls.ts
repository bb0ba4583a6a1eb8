import { describe, expect, test } from 'vitest'
import type { Handler } from '../adapter.ts'
import { countOne, type OpenSite } from '../site.ts'

export function calls(open: OpenSite): void {
  describe('the methods of a session', () => {
    test('C4: destroy() that nobody awaits is done before the reply', async () => {
      const site = await open({
        '/leave': ({ owner, redirect }) => {
          owner.session.destroy()
          redirect('/')
        },
      })
      const ada = await site.signedIn()
      const replay = ada.copy()
      site.store.delay('destroy')
      const reply = await ada.get('/leave', { firstByte: () => site.events.push('first byte') })
      expect(site.events).toEqual(['load', 'destroy', 'first byte'])
      expect(reply.status).toBe(302)
      expect(ada.cookies.size).toBe(0)
      expect((await replay.get('/read')).json()).toEqual({})
    })

    test('C5: regenerate() that nobody awaits is done before the reply, with what is set after it', async () => {
      const site = await open({
        '/enter': ({ owner, redirect }) => {
          owner.session.regenerate({ userId: 'eve' })
          owner.session.theme = 'dark'
          redirect('/')
        },
      })
      const ada = await site.signedIn()
      const replay = ada.copy()
      site.store.delay('update')
      await ada.get('/enter', { firstByte: () => site.events.push('first byte') })
      expect(site.events.at(-1)).toBe('first byte')
      expect((await ada.get('/read')).json()).toEqual({ theme: 'dark', userId: 'eve' })
      expect((await replay.get('/read')).json()).toEqual({})
    })

    test.each(['destroy', 'regenerate', 'save'] as const)(
      'C6: %s() that nobody awaits and that fails is a 503, and the process lives',
      async method => {
        const site = await open({
          '/forgot': ({ owner, send }) => {
            owner.session.theme = 'dark'
            owner.session[method]()
            send('fine')
          },
        })
        const ada = await site.signedIn()
        site.store.fail('create', 'update', 'destroy')
        const reply = await ada.get('/forgot')
        expect(reply.status).toBe(503)
        expect(reply.setCookies).toEqual([])
      },
    )

    test('C2: update() that nobody awaits is stored before the reply', async () => {
      const site = await open({
        '/count-on': ({ owner, send }) => {
          owner.session.update(countOne)
          send('counted')
        },
      })
      const ada = await site.signedIn()
      site.store.delay('update')
      await ada.get('/count-on', { firstByte: () => site.events.push('first byte') })
      expect(site.events).toEqual(['load', 'update', 'first byte'])
      expect((await ada.get('/read')).json()).toMatchObject({ count: 1 })
    })

    test.each(['ignores', 'overlooks'])(
      'C6: a failed update() whose error the handler %s does not become a 200',
      async how => {
        const site = await open({
          '/count-on': async ({ owner, send }) => {
            const counted = owner.session.update(countOne)
            if (how === 'overlooks') await counted.catch(() => undefined)
            send('counted')
          },
        })
        const ada = await site.signedIn()
        site.store.fail('update')
        expect((await ada.get('/count-on')).status).toBe(503)
        site.store.heal()
        expect((await ada.get('/count')).body).toBe('1')
      },
    )

    test('C6: of two updates that nobody awaits, the success of one does not hide that the other failed', async () => {
      const site = await open({
        '/both': ({ owner, send }) => {
          owner.session.update(data => Object.assign(data, { order: 1 })).catch(() => site.store.heal())
          owner.session.update(countOne)
          send('stored')
        },
      })
      const ada = await site.signedIn()
      site.store.fail('update')
      expect((await ada.get('/both')).status).toBe(503)
      expect((await ada.get('/read')).json()).not.toHaveProperty('order')
    })

    test('C6: nor does an update() that is made after the handler overlooked the error of another one', async () => {
      const site = await open({
        '/both': async ({ owner, send }) => {
          await owner.session.update(data => Object.assign(data, { order: 1 })).catch(() => site.store.heal())
          await owner.session.update(countOne)
          send('stored')
        },
      })
      const ada = await site.signedIn()
      site.store.fail('update')
      expect((await ada.get('/both')).status).toBe(503)
    })

    test('a failed update() whose function the handler runs again with success counts as done, once', async () => {
      const site = await open({
        '/again': async ({ owner, send }) => {
          await owner.session.update(countOne).catch(() => site.store.heal())
          send(String(await owner.session.update(countOne)))
        },
      })
      for (const visitor of [site.visitor(), await site.signedIn()]) {
        site.store.fail('create', 'update')
        const reply = await visitor.get('/again')
        expect([reply.status, reply.body]).toEqual([200, '1'])
      }
    })

    test('C6: an error of destroy() that the handler overlooks does not become a 200', async () => {
      const site = await open({
        '/overlook': async ({ owner, send }) => {
          await owner.session.destroy().catch(() => undefined)
          send('fine')
        },
      })
      const ada = await site.signedIn()
      site.store.fail('destroy')
      expect((await ada.get('/overlook')).status).toBe(503)
    })

    test.each(['destroy', 'regenerate'] as const)(
      'a failed %s() that the handler makes again with success counts as done',
      async method => {
        const site = await open({
          '/again': async ({ owner, send }) => {
            await owner.session[method]().catch(() => site.store.heal())
            await owner.session[method]()
            send('fine')
          },
        })
        const ada = await site.signedIn()
        site.store.fail('destroy', 'update')
        const reply = await ada.get('/again')
        expect([reply.status, reply.setCookies.length]).toEqual([200, 1])
      },
    )

    test('a failed regenerate() counts no more once the session is destroyed', async () => {
      const site = await open({
        '/enter': async ({ owner, redirect }) => {
          await owner.session.regenerate().catch(() => owner.session.destroy())
          redirect('/sorry')
        },
      })
      const ada = await site.signedIn()
      site.store.fail('update')
      expect((await ada.get('/enter')).status).toBe(302)
      expect(ada.cookies.size).toBe(0)
    })

    test("express-session's callbacks: regenerate(cb), save(cb), destroy(cb)", async () => {
      const site = await open({
        '/enter': ({ owner, send }) =>
          new Promise<void>((resolve, reject) => {
            const before = owner.session
            owner.session.regenerate(error => {
              if (error) return reject(error)
              // Passport's keepSessionInfo takes over what it likes.
              owner.session.cart = before.cart
              owner.session.theme = 'dark'
              owner.session.save(failed => {
                if (failed) return reject(failed)
                send('welcome')
                resolve()
              })
            })
          }),
        '/leave': ({ owner, send }) =>
          new Promise<void>(resolve => {
            owner.session.destroy(error => {
              send(String(error))
              resolve()
            })
          }),
      })
      const ada = await site.signedIn()
      await ada.get('/set?cart=full&role=admin')
      const replay = ada.copy()
      await ada.get('/enter')
      expect((await ada.get('/read')).json()).toEqual({ cart: 'full', theme: 'dark' })
      expect((await replay.get('/read')).json()).toEqual({})
      expect((await ada.get('/leave')).body).toBe('undefined')
      expect(ada.cookies.size).toBe(0)
    })

    test("after regenerate(cb) nothing of the old session is left, as express-session's users expect", async () => {
      const site = await open({
        '/renew': ({ owner, send }) =>
          new Promise<void>(resolve => {
            owner.session.regenerate(() => {
              send(
                JSON.stringify({
                  ...owner.session,
                  userId: owner.session.userId,
                  isNew: owner.session.isNew,
                }),
              )
              resolve()
            })
          }),
      })
      const ada = await site.signedIn()
      await ada.get('/set?role=admin')
      const replay = ada.copy()
      expect((await ada.get('/renew')).json()).toEqual({ isNew: true })
      expect(ada.cookies.size).toBe(0)
      expect((await replay.get('/read')).json()).toEqual({})
    })

    test('a callback gets the error of its call', async () => {
      const codes: unknown[] = []
      const site = await open({
        '/leave': ({ owner, send }) =>
          new Promise<void>(resolve => {
            owner.session.destroy(error => {
              codes.push(error instanceof Error && 'code' in error && error.code)
              send('sorry', 500)
              resolve()
            })
          }),
      })
      const ada = await site.signedIn()
      site.store.fail('destroy')
      const reply = await ada.get('/leave')
      expect(codes).toEqual(['ERR_SESSION_STORE_UNAVAILABLE'])
      expect(reply.status).toBeGreaterThanOrEqual(500)
    })

    test.each([
      ['save', 'error'],
      ['destroy', 'error'],
      ['regenerate', 'error'],
      ['save', 'anonymous'],
      ['destroy', 'anonymous'],
    ] as const)(
      'I6: a callback that throws the error of its %s() gets an answer, async or not, and the process lives: %s',
      async (method, onStoreFailure) => {
        const idiom =
          (isAsync: boolean): Handler =>
          ({ owner, send }) =>
            new Promise<void>(() => {
              if (onStoreFailure === 'error') owner.session.theme = 'dark'
              const call = (error: unknown) => {
                if (error) throw error
                send('fine')
              }
              owner.session[method](isAsync ? async error => call(error) : call)
            })
        const site = await open(
          { '/idiom': idiom(false), '/async': idiom(true) },
          { onStoreFailure, errors: { answer: () => ({ status: 503, body: 'sorry' }) } },
        )
        const ada = await site.signedIn()
        site.store.fail('update', 'destroy', ...(onStoreFailure === 'anonymous' ? ['load' as const] : []))
        for (const path of ['/idiom', '/async']) {
          const reply = await ada.get(path)
          expect([path, reply.status]).toEqual([path, 503])
        }
      },
    )

    test('save() stores at once, and what is unchanged since is not stored again', async () => {
      const site = await open({
        '/save': async ({ owner, send }) => {
          owner.session.theme = 'dark'
          await owner.session.save()
          send(JSON.stringify({ stored: site.events.slice(), isNew: owner.session.isNew }))
        },
      })
      const ada = site.visitor()
      expect((await ada.get('/save')).json()).toEqual({ stored: ['create'], isNew: false })
      expect(site.events).toEqual(['create'])
    })

    test('update() hands back what its function returned, and the error that it threw, which stores nothing', async () => {
      const site = await open({
        '/throw': async ({ owner, send }) => {
          const failure = await owner.session
            .update(data => {
              data.count = 99
              throw new RangeError('out of stock')
            })
            .catch((error: unknown) => error)
          send(String(failure))
        },
      })
      const ada = await site.signedIn()
      expect((await ada.get('/count')).body).toBe('1')
      expect((await ada.get('/throw')).body).toBe('RangeError: out of stock')
      expect((await ada.get('/count')).body).toBe('2')
    })

    test('update() on an anonymous visitor makes a session', async () => {
      const site = await open()
      const visitor = site.visitor()
      expect((await visitor.get('/count')).body).toBe('1')
      expect((await visitor.get('/count')).body).toBe('2')
    })
  })
}
