import type { Session } from '@sojourn/core'
import type { Exchange, Routes, Site, Visitor } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import type { OutsideMedium } from './kinds.ts'
import { type Place, seenAs } from './place.ts'

/** A security page, as applications have one: the session is that of the request, whose owner is an `Exchange`'s. */
async function openWithPage({ open }: Place, options = {}): Promise<Site<OutsideMedium>> {
  const site: { it?: Site<OutsideMedium> } = {}
  const ada = () => site.it?.sessions.ofUser('ada')
  const sessionOf = ({ owner }: Exchange) => owner.session as Session & Record<string, unknown>
  const routes: Routes = {
    '/sign-in-from': async exchange => {
      const device = new URL(exchange.url, 'http://site').searchParams.get('device')
      await sessionOf(exchange).regenerate({ userId: 'ada', metadata: { device } })
      exchange.send('welcome')
    },
    '/renew': async exchange => {
      await sessionOf(exchange).regenerate()
      exchange.send('renewed')
    },
    '/devices': async exchange => {
      const here = ada()?.handleOf(sessionOf(exchange))
      const devices = []
      for await (const { handle, ...rest } of ada()?.list() ?? [])
        devices.push({ ...rest, handle, here: handle === here })
      exchange.send(JSON.stringify(devices))
    },
    '/sign-out-one': async exchange => {
      const handle = new URL(exchange.url, 'http://site').searchParams.get('handle') ?? ''
      exchange.send(JSON.stringify(await ada()?.destroy(handle)))
    },
    '/sign-out-others': async exchange => {
      exchange.send(JSON.stringify(await ada()?.destroyAll({ except: sessionOf(exchange) })))
    },
  }
  site.it = await open(routes, options)
  return site.it
}

async function from(site: Site<OutsideMedium>, device: string): Promise<Visitor> {
  const visitor = site.visitor()
  const reply = await visitor.get(`/sign-in-from?device=${device}`)
  expect(reply.status).toBe(200)
  return visitor
}

interface Device {
  readonly handle: string
  readonly here: boolean
  readonly metadata: { readonly device: string }
}

async function devicesSeenBy(visitor: Visitor): Promise<Device[]> {
  const devices = JSON.parse((await visitor.get('/devices')).body) as Device[]
  return devices.sort((a, b) => a.metadata.device.localeCompare(b.metadata.device))
}

const names = (devices: readonly Device[]) => devices.map(({ metadata }) => metadata.device)

/** The sessions of a user: where there is a server side. */
export function users(place: Place): void {
  const { kind, open } = place
  describe('the sessions of a user', () => {
    if (!kind.revokes) {
      test('R7: this store does not know them, and says so; a limit fails the start', async () => {
        const site = await open()
        expect(() => site.sessions.ofUser('ada')).toThrow(/does not know which sessions a user has/)
        await expect(open({}, { maxPerUser: 3 })).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
      })
      return
    }

    test('R7: 5 sessions are listed with what was noted, this one is marked; all others end, in every process, and 1 is left', async () => {
      const site = await openWithPage(place)
      const other = await open({}, { medium: site })
      const all = await Promise.all(['a', 'b', 'c', 'd', 'e'].map(device => from(site, device)))
      const [first, ...others] = all
      if (first === undefined) throw new Error('nobody signed in')
      await other.signedIn().then(visitor => visitor.get('/sign-out'))
      const devices = await devicesSeenBy(first)
      expect(names(devices)).toEqual(['a', 'b', 'c', 'd', 'e'])
      expect(names(devices.filter(({ here }) => here))).toEqual(['a'])
      for (const { cookie } of all) expect(JSON.stringify(devices)).not.toContain(cookie.slice(0, 43))
      expect((await first.get('/sign-out-others')).body).toBe('4')
      for (const { cookie } of others) {
        expect(await seenAs(site, cookie)).toEqual({})
        expect(await seenAs(other, cookie)).toEqual({})
      }
      expect(await seenAs(other, first.cookie)).toEqual({ userId: 'ada' })
      expect(names(await devicesSeenBy(first))).toEqual(['a'])
      expect(await site.stored()).toEqual([`session:${first.cookie.slice(0, 43)}`])
    })

    test('R7: one session ends by its handle, of this user alone; a renewed one is listed once, with what was noted', async () => {
      const site = await openWithPage(place)
      const [here, there] = [await from(site, 'here'), await from(site, 'there')]
      await here.get('/renew')
      const [, second] = await devicesSeenBy(here)
      expect(names(await devicesSeenBy(here))).toEqual(['here', 'there'])
      for (const handle of ['', '*', '../x', there.cookie.slice(0, 43)])
        expect((await here.get(`/sign-out-one?handle=${encodeURIComponent(handle)}`)).body).toBe('false')
      expect(await seenAs(site, there.cookie)).toEqual({ userId: 'ada' })
      expect((await here.get(`/sign-out-one?handle=${second?.handle}`)).body).toBe('true')
      expect(await seenAs(site, there.cookie)).toEqual({})
      expect(names(await devicesSeenBy(here))).toEqual(['here'])
    })

    test('R7: a request in flight can not bring a session back that was signed out from elsewhere', async () => {
      const site = await openWithPage(place)
      const [here, there] = [await from(site, 'here'), await from(site, 'there')]
      const renewing = Array.from({ length: 5 }, () => there.copy().get('/renew'))
      expect((await here.get('/sign-out-others')).status).toBe(200)
      for (const reply of await Promise.all(renewing)) {
        const cookie = reply.setCookies[0]?.match(/^sid=([^;]+)/)?.[1]
        if (cookie !== undefined) expect(await seenAs(site, decodeURIComponent(cookie))).toEqual({})
      }
      expect(names(await devicesSeenBy(here))).toEqual(['here'])
    })

    test('R8: at the cap + 1 the oldest sign-in ends', async () => {
      const site = await openWithPage(place, { maxPerUser: 3 })
      const all = []
      for (const device of ['a', 'b', 'c', 'd']) all.push(await from(site, device))
      const [first, ...rest] = all
      expect(await seenAs(site, first?.cookie ?? '')).toEqual({})
      for (const { cookie } of rest) expect(await seenAs(site, cookie)).toEqual({ userId: 'ada' })
      expect(names(await devicesSeenBy(rest[0] ?? site.visitor()))).toEqual(['b', 'c', 'd'])
    })

    test('R8: or the cap + 1 is refused (409), keeps what it had, and may come in once another one is out', async () => {
      const site = await openWithPage(place, { maxPerUser: 2, onMaxPerUser: 'refuse' })
      const [first] = [await from(site, 'a'), await from(site, 'b')]
      const late = site.visitor()
      await late.get('/set?basket=book')
      const reply = await late.get('/sign-in-from?device=c')
      expect([reply.status, reply.setCookies]).toEqual([409, []])
      expect((await late.get('/read')).json()).toEqual({ basket: 'book' })
      await first.get('/sign-out')
      expect((await late.get('/sign-in-from?device=c')).status).toBe(200)
      expect((await late.get('/read')).json()).toEqual({ basket: 'book', userId: 'ada' })
    })

    test.each(['end-oldest', 'refuse'] as const)(
      'R8: sign-ins at once, through two servers, are never more than the cap: %s',
      async onMaxPerUser => {
        const site = await openWithPage(place, { maxPerUser: 3, onMaxPerUser })
        const other = await open({}, { medium: site, maxPerUser: 3, onMaxPerUser })
        const visitors = Array.from({ length: 12 }, (_, n) => (n % 2 ? site : other).visitor())
        const replies = await Promise.all(visitors.map(visitor => visitor.get('/sign-in')))
        const signedIn = replies.filter(({ status }) => status === 200)
        if (onMaxPerUser === 'refuse') expect(signedIn).toHaveLength(3)
        const seen = await Promise.all(visitors.map(({ cookie }) => seenAs(site, cookie)))
        const left = seen.filter(({ userId }) => userId === 'ada').length
        expect(left).toBeLessThanOrEqual(3)
        expect(left).toBeGreaterThanOrEqual(1)
        if (onMaxPerUser === 'refuse') expect(await site.stored()).toHaveLength(left)
      },
    )
  })
}
