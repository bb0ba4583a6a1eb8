import { describe, expect, test } from 'vitest'
import { change, type OpenSite } from '../site.ts'

/** Node's forms of writeHead's headers, with a cookie and a Vary of the handler's own. */
const ownHeaders = {
  'an object': { 'Set-Cookie': 'own=1', Vary: 'Accept', 'X-Own': 'yes' },
  'an object with lists': { 'Set-Cookie': ['own=1'], vary: ['Accept'], 'X-Own': ['yes'] },
  'a flat array': ['Set-Cookie', 'own=1', 'Vary', 'Accept', 'X-Own', 'yes'],
} as const

export function headers(open: OpenSite): void {
  describe('heads', () => {
    for (const [form, given] of Object.entries(ownHeaders)) {
      for (const changed of [true, false]) {
        test(`writeHead with ${form} keeps its headers beside the session's, ${changed ? '' : 'un'}changed`, async () => {
          const site = await open({
            '/head': exchange => {
              if (changed) change(exchange)
              const { res } = exchange.raw()
              if (exchange.owner.session.isNew) res.writeHead(201, 'Made', given as never)
              res.end('made')
            },
          })
          const reply = await site.ask('/head')
          expect([reply.status, reply.statusMessage, reply.body]).toEqual([201, 'Made', 'made'])
          expect(reply.headers.vary).toBe('Accept, Cookie')
          expect(reply.headers['x-own']).toBe('yes')
          expect(reply.setCookies[0]).toBe('own=1')
          expect(reply.setCookies.length).toBe(changed ? 2 : 1)
        })
      }
    }

    test('an array may repeat a name in any case, and have lists as values', async () => {
      const site = await open({
        '/head': exchange => {
          change(exchange)
          const list = ['Set-Cookie', ['a=1', 'b=2'], 'SET-COOKIE', 'c=3']
          exchange.raw().res.writeHead(200, list).end()
        },
      })
      const { setCookies } = await site.ask('/head')
      expect(setCookies.slice(0, 3)).toEqual(['a=1', 'b=2', 'c=3'])
      expect(setCookies[3]).toMatch(/^sid=/)
    })

    test('I4: a list of cookies that all requests share never takes up the cookie of one of them', async () => {
      const shared = ['own=1']
      const site = await open({
        '/head': exchange => {
          change(exchange)
          exchange.raw().res.writeHead(200, { 'Set-Cookie': shared }).end()
        },
        '/header': exchange => {
          change(exchange)
          exchange.header('Set-Cookie', shared)
          exchange.send('')
        },
      })
      for (const path of ['/head', '/header', '/head']) {
        expect((await site.ask(path)).setCookies).toEqual(['own=1', expect.stringMatching(/^sid=/)])
      }
      expect(shared).toEqual(['own=1'])
    })

    test("writeHead's headers win over those that were set, as without sessions", async () => {
      const site = await open({
        '/head': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.setHeader('X-Own', 'set')
          res.writeHead(200, { 'x-own': 'written' }).end()
        },
      })
      expect((await site.ask('/head')).headers['x-own']).toBe('written')
    })

    test('HEAD gets the headers and no body, and stores the change', async () => {
      const site = await open({
        '/head': exchange => {
          change(exchange)
          exchange.send('a body that HEAD does not get')
        },
      })
      const visitor = site.visitor()
      const reply = await visitor.get('/head', { method: 'HEAD' })
      expect([reply.status, reply.body]).toEqual([200, ''])
      expect(reply.headers['content-length']).toBe('29')
      expect((await visitor.get('/read')).json()).toMatchObject({ changed: 'yes' })
    })

    test('304 leaves without a body and with the cookie', async () => {
      const site = await open({
        '/fresh': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.statusCode = 304
          res.end()
        },
      })
      const visitor = site.visitor()
      const reply = await visitor.get('/fresh')
      expect([reply.status, reply.body, reply.setCookies.length]).toEqual([304, '', 1])
      expect((await visitor.get('/read')).json()).toMatchObject({ changed: 'yes' })
    })

    test('a second answer while the first waits for the store is refused, and the first arrives intact', async () => {
      const codes: unknown[] = []
      const site = await open({
        '/twice': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.setHeader('Content-Length', 5)
          res.end('first')
          res.statusCode = 500
          const attempts = [
            () => res.setHeader('Content-Length', 100),
            () => res.appendHeader('X-Late', 'yes'),
            () => res.removeHeader('Content-Length'),
            () => res.writeHead(500, { 'X-Late': 'yes' }),
          ]
          for (const attempt of attempts) codes.push(codeOf(attempt))
        },
      })
      const reply = await site.ask('/twice')
      expect(codes).toEqual(Array.from({ length: 4 }, () => 'ERR_HTTP_HEADERS_SENT'))
      expect([reply.status, reply.body, reply.headers['x-late']]).toEqual([200, 'first', undefined])
    })

    test("what wraps write and repeats the implicit head, as compression does, works above the session's", async () => {
      const site = await open({
        '/wrapped': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          const { write } = res
          const wrapped = (chunk: string) => {
            if (!Reflect.get(res, '_header')) res.writeHead(res.statusCode)
            return Reflect.apply(write, res, [chunk.toUpperCase()])
          }
          wrapped('one ')
          wrapped('two')
          res.end()
        },
      })
      const reply = await site.ask('/wrapped')
      expect([reply.status, reply.body]).toEqual([200, 'ONE TWO'])
    })

    test.each(['end', 'write', 'writeHead'] as const)(
      '%s with what Node refuses is a 500, and the process lives',
      async method => {
        const site = await open({
          '/refused': exchange => {
            change(exchange)
            const { res } = exchange.raw()
            Reflect.apply(res[method], res, [method === 'writeHead' ? 99 : { no: 'bytes' }])
            res.end()
          },
        })
        expect((await site.ask('/refused')).status).toBe(500)
        expect((await site.ask('/still')).status).toBe(200)
      },
    )
  })
}

function codeOf(attempt: () => unknown): unknown {
  try {
    return attempt()
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code
  }
}
