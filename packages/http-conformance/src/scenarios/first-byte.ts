import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import type { Exchange } from '../adapter.ts'
import { change, type OpenSite } from '../site.ts'

const raw = (answer: (res: ServerResponse) => void) => (exchange: Exchange) => {
  change(exchange)
  answer(exchange.raw().res)
}

/** All the ways to answer. */
export const waysToAnswer: Readonly<Record<string, (exchange: Exchange) => unknown>> = {
  end: raw(res => res.end('a whole page')),
  'write, end': raw(res => {
    res.write('a whole ')
    res.end('page')
  }),
  'writeHead, end': raw(res => res.writeHead(200, { 'X-Head': 'early' }).end('a whole page')),
  'flushHeaders, end later': async exchange => {
    change(exchange)
    const { res } = exchange.raw()
    res.flushHeaders()
    await turn()
    res.end('a whole page')
  },
  pipe: raw(res => Readable.from(['a whole ', 'page']).pipe(res)),
  pipeline: exchange => {
    change(exchange)
    return pipeline(Readable.from(['a whole ', 'page']), exchange.raw().res).catch(() => undefined)
  },
  "the framework's send": exchange => {
    change(exchange)
    exchange.send('a whole page')
  },
  redirect: exchange => {
    change(exchange)
    exchange.redirect('/next')
  },
}

export function firstByte(open: OpenSite): void {
  describe('C6: a change is in the store before the first byte', () => {
    test.each(Object.keys(waysToAnswer))('%s', async way => {
      const site = await open({ '/change': exchange => waysToAnswer[way]?.(exchange) })
      site.store.delay('create')
      const visitor = site.visitor()
      const reply = await visitor.get('/change', { firstByte: () => site.events.push('first byte') })
      expect(site.events).toEqual(['create', 'first byte'])
      expect(reply.status).toBe(way === 'redirect' ? 302 : 200)
      if (way !== 'redirect') expect(reply.body).toBe('a whole page')
      expect(reply.headers['x-head']).toBe(way === 'writeHead, end' ? 'early' : undefined)
      expect((await visitor.get('/read')).json()).toMatchObject({ changed: 'yes' })
    })

    test('a large stream waits with back-pressure, and arrives in order and intact', async () => {
      const chunk = 64 * 1024
      const chunks = 128
      let produced = 0
      const site = await open({
        '/large': exchange => {
          change(exchange)
          const bytes = function* () {
            for (; produced < chunks; produced++) yield Buffer.alloc(chunk, produced)
          }
          Readable.from(bytes(), { highWaterMark: 1 }).pipe(exchange.raw().res)
        },
      })
      const paused = site.store.pause('create')
      const asked = site.ask('/large', { firstByte: () => site.events.push('first byte') })
      await paused.reached
      for (let turns = 0; turns < 100; turns++) await turn()
      expect(produced).toBeLessThan(8)
      expect(site.events).toEqual([])
      paused.resume()
      const { body } = await asked
      const sent = Array.from({ length: chunks }, (_, index) => Buffer.alloc(chunk, index))
      expect(hash(body)).toBe(hash(Buffer.concat(sent).toString()))
    })

    test('write answers false beyond 16 KB, and drain comes once the store has answered', async () => {
      const answers: boolean[] = []
      const site = await open({
        '/drain': async exchange => {
          change(exchange)
          const { res } = exchange.raw()
          answers.push(res.write('a'.repeat(1000)), res.write('b'.repeat(20_000)))
          await once(res, 'drain')
          site.events.push('drain')
          res.end('c')
        },
      })
      site.store.delay('create')
      const reply = await site.ask('/drain')
      expect(answers).toEqual([true, false])
      expect(site.events).toEqual(['create', 'drain'])
      expect(reply.body).toBe(`${'a'.repeat(1000)}${'b'.repeat(20_000)}c`)
    })

    test('the callbacks of write and end are called, in order', async () => {
      const site = await open({
        '/callbacks': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.write('a', () => site.events.push('written'))
          res.end('b', () => site.events.push('ended'))
        },
      })
      await site.ask('/callbacks')
      expect(site.events).toEqual(['create', 'written', 'ended'])
    })

    test('what a handler sees of a response that waits is what it would see of one that left', async () => {
      const seen: unknown[] = []
      const site = await open({
        '/look': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.write('a')
          seen.push(res.headersSent, res.writableEnded)
          res.end('b')
          seen.push(res.headersSent, res.writableEnded)
        },
      })
      const reply = await site.ask('/look')
      expect(seen).toEqual([true, false, true, true])
      expect(reply.body).toBe('ab')
    })

    test('a response without a change is not held back at all', async () => {
      const site = await open({
        '/now': exchange => {
          const { res } = exchange.raw()
          res.flushHeaders()
          site.events.push(exchange.owner.session.isNew ? 'flushed' : 'stored')
          res.end('now')
        },
      })
      expect((await site.ask('/now')).body).toBe('now')
      expect(site.events).toEqual(['flushed'])
      expect(site.store.calls).toEqual([])
    })
  })
}

function hash(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
