import { once } from 'node:events'
import type { Session } from '@sojourn/core'
import { describe, expect, test } from 'vitest'
import type { Exchange } from '../adapter.ts'
import { deferred } from '../deferred.ts'
import type { OpenSite } from '../site.ts'

const sloppy = new Function('session', 'session.late = 1')

const changes: Readonly<Record<string, (session: Session) => unknown>> = {
  'an assignment': session => {
    session.late = 1
  },
  'an assignment in sloppy mode': session => sloppy(session),
  'Object.assign': session => Object.assign(session, { late: 1 }),
  'Object.defineProperty': session => Object.defineProperty(session, 'late', { value: 1 }),
  delete: session => delete session.basket,
  'an assignment inside a value': session => {
    const basket = session.basket as Record<string, unknown>
    basket.late = 1
  },
  'a push to a list inside a value': session => (session.basket as { books: string[] }).books.push('late'),
  'a message': session => session.flash('info', 'late'),
  'taking the messages': session => session.flash(),
  'cookie.maxAge': session => {
    session.cookie.maxAge = 1000
  },
  'destroy()': session => session.destroy(),
  'regenerate()': session => session.regenerate(),
  'save()': session => session.save(),
  'update()': session => session.update(() => undefined),
}

const answers: Readonly<Record<string, (exchange: Exchange) => void>> = {
  end: exchange => exchange.raw().res.end('sent'),
  'the first write': exchange => exchange.raw().res.write('sent'),
  flushHeaders: exchange => exchange.raw().res.flushHeaders(),
  'writeHead to /next': exchange => exchange.raw().res.writeHead(302, { Location: '/next' }),
}

export function committed(open: OpenSite): void {
  test('C6: so it does if the answer began while the session was loading, as a timeout of the application makes it', async () => {
    let outcome: unknown
    let done: () => void = () => undefined
    const ended = new Promise<void>(resolve => {
      done = resolve
    })
    const site = await open(
      {
        '/late': ({ owner }) => {
          try {
            owner.session.paid = true
          } catch (error) {
            outcome = error
          }
          done()
        },
      },
      { before: async res => void setTimeout(() => res.end('too late'), 20) },
    )
    const ada = await site.signedIn()
    site.store.delay('load', 60)
    expect((await ada.get('/late')).body).toBe('too late')
    await ended
    expect(outcome).toMatchObject({ code: 'ERR_SESSION_COMMITTED' })
  })

  describe('C6: after the first byte a change throws ERR_SESSION_COMMITTED', () => {
    for (const [what, late] of Object.entries(changes)) {
      test.each(['changed', 'unchanged'])(`${what}, in a session that was %s`, async before => {
        const codes: unknown[] = []
        const site = await open({
          '/basket': ({ owner, send }) => {
            owner.session.basket = { books: ['one'] }
            owner.session.flash('info', 'kept')
            send('')
          },
          '/late': async exchange => {
            const { session } = exchange.owner
            if (before === 'changed') session.early = 1
            exchange.raw().res.end('sent')
            codes.push(await codeOf(() => late(session)))
          },
        })
        const ada = site.visitor()
        await ada.get('/basket')
        expect((await ada.get('/late')).body).toBe('sent')
        expect(codes).toEqual(['ERR_SESSION_COMMITTED'])
        const kept = { basket: { books: ['one'] }, ...(before === 'changed' && { early: 1 }) }
        expect((await ada.get('/read')).json()).toEqual(kept)
      })
    }

    test.each(Object.keys(answers))('after %s', async how => {
      const codes: unknown[] = []
      const site = await open({
        '/late': async exchange => {
          const { session } = exchange.owner
          session.early = 1
          answers[how]?.(exchange)
          codes.push(await codeOf(() => Object.assign(session, { late: 1 })))
          exchange.raw().res.end()
        },
      })
      await site.ask('/late')
      expect(codes).toEqual(['ERR_SESSION_COMMITTED'])
    })

    test('a method that nobody waits for is told to the log, and ends no process', async () => {
      const called = deferred()
      const codes: unknown[] = []
      const site = await open({
        '/late': exchange => {
          const { session } = exchange.owner
          exchange.raw().res.end('sent')
          session.save()
          session.destroy(async error => {
            codes.push(await codeOf(() => Promise.reject(error)))
            called.resolve()
          })
        },
      })
      await site.ask('/late')
      await called.promise
      expect(codes).toEqual(['ERR_SESSION_COMMITTED'])
      expect(site.log.filter(line => /has begun/.test(line))).toHaveLength(2)
    })

    test('a callback that changes the session too late ends no process', async () => {
      const site = await open({
        '/early': exchange => {
          const { session } = exchange.owner
          session.regenerate(() => {
            session.late = 1
          })
          exchange.send('sent')
        },
      })
      const warned = once(process, 'warning')
      expect((await site.ask('/early')).status).toBe(200)
      expect(await warned).toMatchObject([{ code: 'ERR_SESSION_COMMITTED' }])
    })

    test('a value is the same each time it is read', async () => {
      const seen: unknown[] = []
      const site = await open({
        '/late': exchange => {
          const { session } = exchange.owner
          session.list = [{ a: 1 }, { a: 2 }]
          session.frozen = Object.freeze({ in: { it: 1 } })
          exchange.raw().res.end()
          const list = session.list as object[]
          seen.push(session.list === list, list.includes(list[0] as object), list.indexOf(list[1] as object))
          seen.push((session.frozen as { in: object }).in)
        },
      })
      await site.ask('/late')
      expect(seen).toEqual([true, true, 1, { it: 1 }])
    })

    test('reading goes on working', async () => {
      const seen: unknown[] = []
      const site = await open({
        '/late': exchange => {
          const { session } = exchange.owner
          session.basket = { books: ['one'] }
          exchange.raw().res.end()
          seen.push(JSON.stringify(session), session.basket, Object.keys(session), 'basket' in session)
        },
      })
      await site.ask('/late')
      const basket = { books: ['one'] }
      expect(seen).toEqual([JSON.stringify({ basket }), basket, ['basket'], true])
    })
  })
}

async function codeOf(attempt: () => unknown): Promise<unknown> {
  try {
    return await attempt()
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code
  }
}
