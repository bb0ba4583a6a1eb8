import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Exchange } from '../adapter.ts'
import { change, type OpenSite } from '../site.ts'

class Teapot extends Error {
  readonly status = 418
  readonly expose = true
}

const throwing: Readonly<Record<string, (exchange: Exchange) => unknown>> = {
  sync: exchange => {
    change(exchange)
    throw new Teapot('short and stout')
  },
  async: async exchange => {
    change(exchange)
    await turn()
    throw new Teapot('short and stout')
  },
}

export function errors(open: OpenSite): void {
  describe('handlers that throw', () => {
    test.each(Object.keys(throwing))(
      "%s: what was changed before is stored, the status is the error's",
      async how => {
        const site = await open({ '/throw': exchange => throwing[how]?.(exchange) })
        const visitor = site.visitor()
        const reply = await visitor.get('/throw', { firstByte: () => site.events.push('first byte') })
        expect(reply.status).toBe(418)
        expect(site.events).toEqual(['create', 'first byte'])
        expect((await visitor.get('/read')).json()).toEqual({ changed: 'yes' })
      },
    )

    test.each(Object.keys(throwing))(
      "%s: the application's error handler gets it, and answers",
      async how => {
        const seen: unknown[] = []
        const site = await open({ '/throw': exchange => throwing[how]?.(exchange) }, { errors: answer(seen) })
        const visitor = site.visitor()
        const reply = await visitor.get('/throw')
        expect([reply.status, reply.body]).toEqual([499, 'mine'])
        expect(seen).toEqual([expect.any(Teapot)])
        expect((await visitor.get('/read')).json()).toEqual({ changed: 'yes' })
      },
    )

    test('an error after the answer: the answer arrives, the change is stored, the handler gets it', async () => {
      const seen: unknown[] = []
      const site = await open(
        {
          '/late': exchange => {
            change(exchange)
            exchange.raw().res.end('answer')
            throw new Teapot('too late')
          },
        },
        { errors: answer(seen) },
      )
      const visitor = site.visitor()
      expect((await visitor.get('/late')).body).toBe('answer')
      expect(seen).toEqual([expect.any(Teapot)])
      expect((await visitor.get('/read')).json()).toEqual({ changed: 'yes' })
    })

    test('an error after the answer that nobody handles: the answer arrives all the same', async () => {
      const site = await open({
        '/late': exchange => {
          change(exchange)
          exchange.raw().res.end('answer')
          throw new Error('too late')
        },
      })
      site.store.delay('create')
      const visitor = site.visitor()
      expect((await visitor.get('/late')).body).toBe('answer')
      expect((await visitor.get('/read')).json()).toEqual({ changed: 'yes' })
    })

    test('a head that Node refuses is an error, and whoever waits for his bytes to leave comes to his end', async () => {
      const called: string[] = []
      const site = await open({
        '/odd': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.writeHead(1000)
          res.write('bytes', () => called.push('write'))
          res.end(() => called.push('end'))
        },
      })
      expect((await site.ask('/odd')).status).toBe(500)
      await turn()
      expect(called).toEqual(['write', 'end'])
    })

    test('an error keeps its own status and handler when the store fails as well', async () => {
      const seen: unknown[] = []
      const site = await open({ '/throw': exchange => throwing.sync?.(exchange) }, { errors: answer(seen) })
      site.store.fail('create')
      const reply = await site.ask('/throw')
      expect([reply.status, reply.body, reply.setCookies]).toEqual([499, 'mine', []])
      expect(seen).toEqual([expect.any(Teapot)])
      expect(site.log.join()).toContain('ERR_SESSION_STORE_UNAVAILABLE')
    })

    test('an error keeps its own status when the session holds what JSON can not hold', async () => {
      const site = await open({
        '/throw': ({ owner }) => {
          owner.session.when = new Date()
          throw new Teapot('short and stout')
        },
      })
      expect((await site.ask('/throw')).status).toBe(418)
      expect(site.log.join()).toContain('ERR_SESSION_VALUE')
    })

    test("the application's error handler gets a failed commit, once", async () => {
      const seen: unknown[] = []
      const site = await open({ '/send': sendChanged }, { errors: answer(seen) })
      site.store.fail('create')
      const reply = await site.ask('/send')
      expect([reply.status, reply.body]).toEqual([499, 'mine'])
      expect(seen).toEqual([expect.objectContaining({ code: 'ERR_SESSION_STORE_UNAVAILABLE', status: 503 })])
    })

    test('an error handler that answers a failed commit with 200 gets a 503', async () => {
      const site = await open(
        { '/send': sendChanged },
        { errors: { answer: () => ({ status: 200, body: 'all is well' }) } },
      )
      site.store.fail('create')
      expect((await site.ask('/send')).status).toBe(503)
    })

    test("the application's error handler gets a failed call of the session, once", async () => {
      const seen: unknown[] = []
      const site = await open({}, { errors: answer(seen) })
      site.store.fail('create')
      const reply = await site.ask('/sign-in')
      expect([reply.status, reply.body, reply.setCookies]).toEqual([499, 'mine', []])
      expect(seen).toEqual([expect.objectContaining({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })])
    })
  })
}

function sendChanged(exchange: Exchange): void {
  change(exchange)
  exchange.send('stored')
}

function answer(seen: unknown[]) {
  return {
    answer(error: unknown) {
      seen.push(error)
      return { status: 499, body: 'mine' }
    },
  }
}
