import { once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { deferred } from '../deferred.ts'
import { change, type OpenSite } from '../site.ts'

export function aborts(open: OpenSite): void {
  describe('clients that hang up', () => {
    test('before the handler ends: the change is stored when it does, and the process lives', async () => {
      const arrived = deferred()
      const answered = deferred()
      const site = await open({
        '/slow': async exchange => {
          const { res } = exchange.raw()
          const closed = once(res, 'close')
          arrived.resolve()
          await closed
          change(exchange)
          res.end('to nobody')
          answered.resolve()
        },
      })
      const ada = await site.signedIn()
      const asked = ada.get('/slow', { started: req => arrived.promise.then(() => req.destroy()) })
      await expect(asked).rejects.toThrow()
      await answered.promise
      await until(() => site.events.includes('update'))
      expect((await ada.get('/read')).json()).toEqual({ changed: 'yes', userId: 'ada' })
    })

    test('while the answer waits for the store: the change is stored, and the process lives', async () => {
      const site = await open({
        '/slow': exchange => {
          change(exchange)
          exchange.raw().res.end('to nobody')
        },
      })
      const ada = await site.signedIn()
      const paused = site.store.pause('update')
      const asked = ada.get('/slow', { started: req => paused.reached.then(() => req.destroy()) })
      await expect(asked).rejects.toThrow()
      paused.resume()
      await until(() => site.events.includes('update'))
      expect((await ada.get('/read')).json()).toEqual({ changed: 'yes', userId: 'ada' })
    })

    test.each(['end', 'send', 'write'])(
      'while the answer (by %s) waits for the store: its connection goes, and nothing is held',
      async way => {
        const site = await open({
          '/slow': exchange => {
            change(exchange)
            if (way === 'send') return exchange.send('to nobody')
            const { res } = exchange.raw()
            if (way === 'end') return res.end('to nobody')
            res.write('to ')
            return setTimeout(() => res.end('nobody'), 10)
          },
        })
        const ada = await site.signedIn()
        const paused = site.store.pause('update')
        const asked = ada.get('/slow', { started: req => paused.reached.then(() => req.destroy()) })
        await expect(asked).rejects.toThrow()
        // The server learns of it while the commit is under way.
        await sleep(50)
        paused.resume()
        await until(() => site.events.includes('update'))
        await expect.poll(() => site.connections()).toBe(0)
        expect(site.store.held).toEqual([])
      },
    )

    test('before the middleware is reached: the session is not held for ever', async () => {
      const arrived = deferred()
      const closed = deferred()
      const site = await open(
        { '/job': () => undefined },
        {
          before: async res => {
            arrived.resolve()
            await once(res, 'close')
            setTimeout(closed.resolve, 20)
          },
        },
      )
      const ada = await site.signedIn()
      await expect(
        ada.get('/job', { started: req => arrived.promise.then(() => req.destroy()) }),
      ).rejects.toThrow()
      await closed.promise
      expect(site.store.held).toEqual([])
    })

    test('during a stream: it ends, the change stays, and the process lives', async () => {
      const closed = deferred()
      const site = await open({
        '/stream': exchange => {
          change(exchange)
          const { res } = exchange.raw()
          res.once('close', closed.resolve)
          const endless = function* () {
            for (;;) yield Buffer.alloc(1024)
          }
          Readable.from(endless()).pipe(res)
        },
      })
      const ada = await site.signedIn()
      const asked = ada.get('/stream', { started: req => req.once('response', () => req.destroy()) })
      await expect(asked).rejects.toThrow()
      await closed.promise
      expect((await ada.get('/read')).json()).toEqual({ changed: 'yes', userId: 'ada' })
    })

    test('during a commit that fails: the process lives', async () => {
      const site = await open({
        '/slow': exchange => {
          change(exchange)
          exchange.send('to nobody')
        },
      })
      const ada = await site.signedIn()
      const { reached, fail } = site.store.pauseThenFail('update')
      const asked = ada.get('/slow', { started: req => reached.then(() => req.destroy()) })
      await expect(asked).rejects.toThrow()
      fail()
      await turn()
      site.store.heal()
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
    })
  })
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await turn()
}
