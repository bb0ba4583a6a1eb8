import { setTimeout as sleep } from 'node:timers/promises'
import type { Adapter, Routes, Visitor } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import type { Kind } from './kinds.ts'
import { placeOf, seenAs, tokenOf } from './place.ts'

/** Real time on every store, Redis' own clock too: side by side, because they do little but wait. */
export function limits(adapter: Adapter, kinds: readonly Kind[]): void {
  describe.concurrent('limits', () => {
    const on = (kind: Kind) => placeOf(adapter, kind).open

    test.for(kinds)(
      'R4: $name: an idle timeout of 2 s: alive 1.5 s after the last use, dead after 2.1 s',
      async (kind, test) => {
        const idleTimeout = 2000
        const site = await on(kind)({}, { idleTimeout, whenDone: test.onTestFinished })
        let late: boolean
        let ada: Visitor
        do {
          late = false
          let used = Date.now()
          ada = await site.signedIn()
          const seen = []
          for (const pause of [700, 1500]) {
            await sleep(pause)
            const asked = Date.now()
            seen.push((await ada.get('/read')).json())
            late ||= Date.now() - used >= idleTimeout
            used = asked
          }
          // A machine that stood still for half a second has shown nothing.
          if (!late) expect(seen).toEqual([{ userId: 'ada' }, { userId: 'ada' }])
        } while (late)
        await sleep(2100)
        expect((await ada.get('/read')).json()).toEqual({})
      },
    )

    test.for(kinds)(
      'R5: $name: the absolute limit holds through reads, changes and new ids',
      async (kind, test) => {
        const absoluteTimeout = 2000
        const renew: Routes = {
          '/renew': ({ owner, send }) => owner.session.regenerate().then(() => send('')),
        }
        const options = {
          absoluteTimeout,
          idleTimeout: 1500,
          touchInterval: 0,
          whenDone: test.onTestFinished,
        }
        const site = await on(kind)(renew, options)
        const begun = Date.now()
        const ada = await site.signedIn()
        const cookies = [ada.cookie]
        const seen = { before: new Set<unknown>(), after: new Set<unknown>() }
        const end = Date.now() + absoluteTimeout
        for (let i = 0; Date.now() < end + 1000; i++) {
          await ada.get(['/read', `/set?i=${i}`, '/renew'][i % 3] ?? '')
          const asked = Date.now()
          const { userId } = (await ada.get('/read')).json()
          if (Date.now() < begun + absoluteTimeout) seen.before.add(userId)
          if (asked >= end) seen.after.add(userId)
          cookies.push(ada.cookie)
          await sleep(50)
        }
        expect(seen).toEqual({ before: new Set(['ada']), after: new Set([undefined]) })
        for (const cookie of cookies) expect(await seenAs(site, cookie)).not.toHaveProperty('userId')
      },
    )

    const cookieKinds = kinds.filter(({ revokes }) => !revokes)
    test.for(cookieKinds)(
      'R21: $name: the expiry is inside the MAC: no replay after it, and none with another one',
      async (kind, test) => {
        const site = await on(kind)({}, { idleTimeout: 1500, whenDone: test.onTestFinished })
        const { cookie } = await site.signedIn()
        const end = Date.now() + 1500
        expect(await seenAs(site, cookie)).toEqual({ userId: 'ada' })
        const later = prolonged(tokenOf(cookie)) + cookie.slice(tokenOf(cookie).length)
        expect(await seenAs(site, later)).toEqual({})
        await sleep(end - Date.now() + 10)
        expect(await seenAs(site, cookie)).toEqual({})
        expect(await seenAs(site, later)).toEqual({})
      },
    )
  })
}

/** The readable cookie's token with an hour more to live; of a sealed one, whose expiry nobody can find, another one. */
function prolonged(token: string): string {
  const text = Buffer.from(token, 'base64url').toString()
  const later = text.replace(/\d{13}/g, time => String(Number(time) + 3_600_000))
  return Buffer.from(later).toString('base64url')
}
