import { setTimeout as sleep } from 'node:timers/promises'
import { SessionError } from '@sojourn/core'
import { describe, expect, test } from 'vitest'
import type { Exchange, Routes } from '../adapter.ts'
import { deferred } from '../deferred.ts'
import { change, countOne, type OpenSite } from '../site.ts'
import { waysToAnswer } from './first-byte.ts'

const storeTimeout = 200
const down = 'ERR_SESSION_STORE_UNAVAILABLE'

/**
 * What comes in time, or an error once storeTimeout + 100 ms have passed. The 100 ms are counted in steps of this
 * process's own timers, so that a machine which stops for a moment stops the clock too.
 */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let settled = false
  const late = (async () => {
    await sleep(storeTimeout)
    for (let step = 0; step < 10 && !settled; step++) await sleep(10)
    throw new Error(`no answer within storeTimeout (${storeTimeout} ms) + 100 ms`)
  })()
  try {
    return await Promise.race([answer, late])
  } finally {
    settled = true
    late.catch(() => undefined)
  }
}

/** What describes the handler's answer, and must not leave with another one. */
const replaced = {
  Location: '/next',
  ETag: '"1"',
  'Last-Modified': 'Thu, 01 Jan 1970 00:00:00 GMT',
  'Cache-Control': 'public, max-age=3600',
  'CDN-Cache-Control': 'max-age=3600',
  Expires: 'Thu, 01 Jan 2099 00:00:00 GMT',
  'Set-Cookie': 'own=1',
  'Content-Disposition': 'attachment',
  'Content-Language': 'tlh',
  'Content-Digest': 'sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:',
  'X-Accel-Redirect': '/protected/file',
  'Clear-Site-Data': '"cookies"',
}

export function outage(open: OpenSite): void {
  const failingAnswer = { answer: (error: unknown) => ({ status: statusOf(error), body: codeOf(error) }) }
  const withHeaders = (exchange: Exchange, way: string) => {
    for (const [name, value] of Object.entries(replaced)) exchange.header(name, value)
    return waysToAnswer[way]?.(exchange)
  }

  describe('a store that is down', () => {
    test.each(['/set?a=1', '/count', '/sign-in', '/sign-out', '/save'])(
      'I6: a store that is slow to load and then hangs: the whole answer of %s comes in time',
      async path => {
        const save: Routes = {
          '/save': async ({ owner, send }) => {
            change({ owner })
            await owner.session.save()
            send('saved')
          },
        }
        const site = await open(save, { storeTimeout })
        const ada = await site.signedIn()
        site.store.delay('load', storeTimeout * 0.8)
        site.store.hang('create', 'update', 'destroy')
        const reply = await inTime(ada.get(path))
        expect(reply.status).toBe(503)
      },
    )

    test.each(['update', 'save'] as const)(
      'I6: a handler that catches the failure of %s and goes on is answered in time',
      async first => {
        let sent = 0
        const site = await open(
          {
            '/both': async ({ owner, send }) => {
              owner.session.changed = 'yes'
              const failed = first === 'update' ? owner.session.update(countOne) : owner.session.save()
              await failed.catch(() => undefined)
              sent = site.store.calls.length
              await owner.session.destroy().catch(() => undefined)
              send('done')
            },
          },
          { storeTimeout },
        )
        const ada = await site.signedIn()
        site.store.hang('update', 'destroy')
        expect((await inTime(ada.get('/both'))).status).toBe(503)
        // What is told to have failed for want of time was not begun.
        expect(site.store.calls.length).toBe(sent)
      },
    )

    test('I6: each of many calls of one handler that succeed may take its time', async () => {
      const saveOften: Routes = {
        '/often': async ({ owner, send }) => {
          for (let n = 0; n < 4; n++) {
            owner.session.n = n
            await owner.session.save()
          }
          send('saved')
        },
      }
      const site = await open(saveOften, { storeTimeout })
      const ada = await site.signedIn()
      site.store.delay('update', storeTimeout * 0.4)
      expect((await ada.get('/often')).status).toBe(200)
    })

    test('C6: an error handler that would answer with a redirect: the error instead, and the log has it', async () => {
      const routes: Routes = {
        '/change': exchange => {
          change(exchange)
          exchange.send('changed')
        },
      }
      const site = await open(routes, { errors: { answer: () => ({ status: 302, body: 'Found' }) } })
      const ada = await site.signedIn()
      site.store.fail('update')
      const reply = await ada.get('/change')
      expect(reply.status).toBe(503)
      expect(reply.body).toBe('The session could not be stored.')
      expect(site.log.join()).toContain(down)
    })

    test.each([200, 302])(
      'C6: an error handler that writes a head of its own makes no success of it: %i',
      async status => {
        const errors = { answer: () => ({ status, body: 'done' }), byHand: true }
        const site = await open({}, { errors })
        const ada = await site.signedIn()
        site.store.fail('update')
        expect((await ada.get('/count')).status).toBe(503)
        expect((await ada.get('/set?a=1')).status).toBe(503)
        site.store.fail('load')
        expect((await ada.get('/read')).status).toBe(503)
      },
    )

    test(`C1: a failed load is a 503 ${down} without a cookie change`, async () => {
      const site = await open({}, { errors: failingAnswer })
      const ada = await site.signedIn()
      site.store.fail('load')
      for (const path of ['/read', '/set?a=1', '/sign-out', '/still']) {
        const reply = await ada.get(path)
        expect([reply.status, reply.body, reply.setCookies]).toEqual([503, down, []])
      }
      expect(site.store.count('create', 'update', 'destroy')).toBe(0)
      site.store.heal()
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })

    test('C1: requests without a session cookie, or with a forged one, go on working', async () => {
      const site = await open()
      site.store.fail('load', 'create', 'update', 'destroy')
      expect((await site.ask('/read')).status).toBe(200)
      expect((await site.ask('/read', { headers: { cookie: 'sid=forged.forged' } })).status).toBe(200)
    })

    test.each(Object.keys(waysToAnswer))(
      'C6: a failed commit is a 503, and nothing of the answer leaves: %s',
      async way => {
        const site = await open({ '/change': exchange => withHeaders(exchange, way) })
        site.store.fail('create')
        const reply = await site.ask('/change')
        expect([reply.status, reply.statusMessage]).toEqual([503, 'Service Unavailable'])
        expect(reply.body).not.toContain('page')
        for (const [name, value] of Object.entries(replaced)) {
          expect(String(reply.headers[name.toLowerCase()])).not.toContain(value)
        }
      },
    )

    test('C6: a failed commit is a 503 too if something in between, such as compression, takes the answer for sent', async () => {
      const site = await open({
        '/wrapped': exchange => {
          const { res } = exchange.raw()
          const { end } = res
          let ended = false
          res.end = function (this: typeof res, ...args: unknown[]) {
            if (ended) return res
            ended = true
            return Reflect.apply(end, this, args)
          }
          change(exchange)
          exchange.send('a whole page')
        },
      })
      site.store.delay('create', 5)
      site.store.fail('create')
      const reply = await inTime(site.ask('/wrapped'))
      expect(reply.status).toBe(503)
      expect(reply.body).not.toContain('page')
    })

    test('C6: a handler that begins to write only after the commit failed harms nobody', async () => {
      const ended = deferred()
      const site = await open({
        '/later': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          setTimeout(() => {
            res.write('a whole ')
            res.end('page', ended.resolve)
          }, 20)
        },
      })
      site.store.fail('create')
      const reply = await site.ask('/later')
      await ended.promise
      expect([reply.status, reply.setCookies]).toEqual([503, []])
      expect(reply.body).not.toContain('page')
    })

    test("C6: nor does the handler's status message, when it streams", async () => {
      const site = await open({
        '/stream': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.statusMessage = 'All is well'
          res.write('a whole page')
        },
      })
      site.store.fail('create')
      const reply = await site.ask('/stream')
      expect([reply.status, reply.statusMessage]).toEqual([503, 'Service Unavailable'])
    })

    test("C6: nor does it leave with an application's own error page", async () => {
      const site = await open(
        { '/change': exchange => withHeaders(exchange, 'redirect') },
        { errors: failingAnswer },
      )
      site.store.fail('create')
      const reply = await site.ask('/change')
      expect([reply.status, reply.body]).toEqual([503, down])
      for (const [name, value] of Object.entries(replaced)) {
        expect(String(reply.headers[name.toLowerCase()])).not.toContain(value)
      }
    })

    test('R18: the 503 of a failed commit says Vary: Cookie too', async () => {
      const site = await open()
      site.store.fail('create')
      expect((await site.ask('/set?a=1')).headers.vary).toBe('Cookie')
    })

    test('C6: a handler that goes on streaming after a failed commit comes to its end', async () => {
      const ended = deferred()
      const site = await open({
        '/stream': async exchange => {
          change(exchange)
          const { res } = exchange.raw()
          const write = (text: string) => new Promise(done => res.write(text, done))
          for (let times = 0; times < 10; times++) await write('secret part'.repeat(1000))
          res.end(ended.resolve)
        },
      })
      site.store.fail('create')
      const reply = await site.ask('/stream')
      expect(reply.status).toBe(503)
      expect(reply.body).not.toContain('secret part')
      await ended.promise
    })

    test('C6: a handler that waits for drain during a failed commit comes to its end', async () => {
      const ended = deferred()
      const site = await open({
        '/stream': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.once('drain', ended.resolve)
          res.write('x'.repeat(100_000))
        },
      })
      site.store.fail('create')
      expect((await site.ask('/stream')).status).toBe(503)
      await ended.promise
    })

    test.each(['fail', 'hang'] as const)(
      'C3: a touch that can not be written (%s) harms nobody: the page is served, and the next request tries again',
      async fault => {
        const site = await open({}, { storeTimeout, touchInterval: 0 })
        const ada = await site.signedIn()
        await new Promise(done => setTimeout(done, 2))
        site.store[fault]('update')
        for (const times of [1, 2]) {
          const reply = await ada.get('/read')
          expect([reply.status, reply.json(), reply.setCookies]).toEqual([200, { userId: 'ada' }, []])
          expect(site.store.count('update')).toBe(times)
        }
      },
    )

    test('a damaged session is a 500 that takes its cookie away, so that the visitor can sign in anew', async () => {
      const site = await open()
      const ada = await site.signedIn()
      site.store.failWith(new SessionError('ERR_SESSION_CORRUPT', 'damaged'), 'load')
      expect((await ada.get('/read')).status).toBe(500)
      expect(ada.cookies.size).toBe(0)
      await ada.get('/sign-in')
      site.store.heal()
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })

    test('C4: a sign-out that is not stored is a 503, and the session goes on', async () => {
      const site = await open()
      const ada = await site.signedIn()
      site.store.fail('destroy')
      const reply = await ada.get('/sign-out')
      expect([reply.status, reply.headers.location, reply.setCookies]).toEqual([503, undefined, []])
      site.store.heal()
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })

    test('C6: a sign-in whose further change is not stored sends no cookie', async () => {
      const site = await open({
        '/enter': async ({ owner, send }) => {
          await owner.session.regenerate({ userId: 'ada' })
          owner.session.theme = 'dark'
          send('welcome')
        },
      })
      site.store.fail('update')
      const reply = await site.ask('/enter')
      expect([reply.status, reply.setCookies]).toEqual([503, []])
    })

    test('C5: a sign-in that breaks off after the old session ended signs out, never in', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const before = ada.copy()
      site.store.fail('create')
      const reply = await inTime(ada.get('/sign-in'))
      expect([reply.status, reply.setCookies]).toEqual([503, []])
      site.store.heal()
      expect((await before.get('/read')).json()).toEqual({})
    })

    test.each([
      ['load', '/read'],
      ['update', '/set?a=1'],
      ['update', '/count'],
      ['update', '/sign-in'],
      ['destroy', '/sign-out'],
      ['update', '/save'],
      ['update', '/save-and-count'],
    ] as const)('I6: a %s that hangs is a 503 within storeTimeout + 100 ms: %s', async (call, path) => {
      const site = await open(
        {
          '/save': async ({ owner, send }) => {
            owner.session.a = 1
            await owner.session.save()
            send('saved')
          },
          '/save-and-count': ({ owner, send }) => {
            owner.session.a = 1
            owner.session.save()
            owner.session.update(countOne)
            send('both')
          },
        },
        { storeTimeout },
      )
      const ada = await site.signedIn()
      await ada.get('/still')
      site.store.hang(call)
      const reply = await inTime(ada.get(path))
      expect([reply.status, reply.setCookies]).toEqual([503, []])
      site.store.heal()
      expect((await ada.get('/read')).status).toBe(200)
    })

    test('I6: many cookies of one name cost one wait, and a few loads', async () => {
      const site = await open({}, { storeTimeout })
      const cookies: string[] = []
      for (let i = 0; i < 10; i++) cookies.push(`sid=${(await site.signedIn()).cookie}`)
      site.store.hang('load')
      const reply = await inTime(site.ask('/read', { headers: { cookie: cookies.join('; ') } }))
      expect(reply.status).toBe(503)
      expect(site.store.count('load')).toBeLessThanOrEqual(4)
    })

    test('I6: an update(fn) whose fn never ends is an error in time, and does not block the others', async () => {
      const site = await open(
        { '/stuck': ({ owner }) => owner.session.update(() => new Promise(() => undefined)) },
        { storeTimeout },
      )
      const ada = await site.signedIn()
      const stuck = await inTime(ada.get('/stuck'))
      expect(stuck.status).toBeGreaterThanOrEqual(400)
      expect((await ada.get('/count')).body).toBe('1')
    })

    test('I6: regenerate on a session that others change all the time is an answer in time', async () => {
      const site = await open({}, { storeTimeout })
      const ada = await site.signedIn()
      const other = ada.copy()
      let going = true
      const restless = (async () => {
        for (let n = 0; going; n++) await other.get(`/set?n=${n}`)
      })()
      site.store.delay('update', 20)
      const reply = await inTime(ada.get('/sign-in'))
      expect([200, 409, 503]).toContain(reply.status)
      going = false
      await restless
    })
  })

  describe('a session that ended meanwhile', () => {
    const ending = async (handler: (exchange: Exchange) => unknown, options = {}) => {
      const site = await open(
        {
          '/ended': async exchange => {
            await other.get('/sign-out')
            return handler(exchange)
          },
        },
        { errors: failingAnswer, ...options },
      )
      const ada = await site.signedIn()
      const other = ada.copy()
      return { site, ada }
    }

    test.each(['a change', 'an update(fn)', 'an update(fn) that changes nothing'])(
      'C2 C4: %s is a 409 ERR_SESSION_GONE without a cookie',
      async how => {
        const { site, ada } = await ending(async exchange => {
          if (how === 'a change') change(exchange)
          else await exchange.owner.session.update(how.endsWith('nothing') ? () => undefined : countOne)
          exchange.send('stored')
        })
        const reply = await ada.get('/ended')
        expect([reply.status, reply.body, reply.setCookies]).toEqual([409, 'ERR_SESSION_GONE', []])
        expect(site.store.count('create')).toBe(0)
      },
    )

    test('C4: a mere touch is dropped in silence', async () => {
      const { site, ada } = await ending(({ owner, send }) => send(String(owner.session.userId)), {
        touchInterval: 0,
      })
      await new Promise(done => setTimeout(done, 2))
      const reply = await ada.get('/ended')
      expect([reply.status, reply.body, reply.setCookies]).toEqual([200, 'ada', []])
      expect(site.store.count('create')).toBe(0)
    })

    test('C4: signing out twice is no error', async () => {
      const { ada } = await ending(async ({ owner, send }) => {
        await owner.session.destroy()
        send('bye')
      })
      expect((await ada.get('/ended')).status).toBe(200)
      expect(ada.cookies.size).toBe(0)
    })
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

function statusOf(error: unknown): number {
  return error instanceof Error && 'status' in error ? Number(error.status) : 500
}
