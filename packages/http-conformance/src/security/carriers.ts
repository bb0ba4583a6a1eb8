import { describe, expect, test } from 'vitest'
import type { Medium } from '../medium.ts'
import type { OpenSite } from '../site.ts'

const otherSecret = 'another secret, also long enough for production'

/** What the browser sends, and what of it counts. */
export function carriers<M extends Medium>(open: OpenSite<M>): void {
  describe('what carries a session', () => {
    test('R14: valid and forged cookies of one name give the same answer in both orders', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const valid = `sid=${ada.cookie}`
      for (const cookie of [`${valid}; sid=forged.x`, `sid=forged.x; ${valid}`, `sid=; ${valid};sid`]) {
        expect((await site.ask('/read', { headers: { cookie } })).json()).toEqual({ userId: 'ada' })
      }
    })

    test('R14: two valid cookies, one of them dead, give the same answer in both orders', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const ask = async (...values: string[]) => {
        const cookie = values.map(value => `sid=${value}`).join('; ')
        return (await site.ask('/read', { headers: { cookie } })).json()
      }
      // Which of two comes first inside is up to chance.
      for (let pair = 0; pair < 10; pair++) {
        const dead = await site.signedIn()
        await dead.copy().get('/sign-out')
        expect(await ask(dead.cookie, ada.cookie)).toEqual({ userId: 'ada' })
        expect(await ask(ada.cookie, dead.cookie)).toEqual({ userId: 'ada' })
      }
      const eve = await site.signedIn()
      await eve.get('/set?who=eve')
      await ada.get('/set?who=ada')
      expect(await ask(ada.cookie, eve.cookie)).toEqual(await ask(eve.cookie, ada.cookie))
    })

    test('R15: only the exact name counts', async () => {
      const site = await open({}, { cookie: { secure: true } })
      const ada = await site.signedIn()
      for (const name of [
        '__host-sid',
        '%5f%5fHost-sid',
        '=__Host-sid',
        '\u00a0__Host-sid',
        '\u00c2\u00a0__Host-sid',
        '__Host-sid\u00a0',
        'x __Host-sid',
        'x__Host-sid',
        '__Host-sidx',
      ]) {
        const headers = { cookie: `${name}=${ada.cookie}` }
        expect((await site.ask('/read', { headers })).json(), name).toEqual({})
      }
      expect((await site.ask('/read', { headers: { cookie: `__Host-sid=${ada.cookie}` } })).json()).toEqual({
        userId: 'ada',
      })
    })

    test('R1 R20: a cookie with any bit flipped, cut or added to is anonymous, and nothing is stored', async () => {
      const site = await open()
      const { cookie } = await site.signedIn()
      const before = await site.stored()
      const forged = [
        ...flipped(cookie).filter(fitsHeader),
        ...Array.from(cookie, (_, at) => cookie.slice(0, at)),
        ...['a', '.', '=', '%00', '.a'].map(more => cookie + more),
        ...[`"${cookie}"`, encodeURIComponent(`${cookie}/`), `s:${cookie}`],
      ]
      for (const value of forged) {
        const reply = await site.ask('/read', { headers: { cookie: `sid=${value}` } })
        expect([reply.status, reply.json(), reply.setCookies], value).toEqual([200, {}, []])
      }
      expect(await site.stored()).toEqual(before)
      expect((await site.ask('/read', { headers: { cookie: `sid=${cookie}` } })).json()).toEqual({
        userId: 'ada',
      })
    })

    test('R1: an id that a forged cookie names is never adopted', async () => {
      const site = await open()
      const value = 'A'.repeat(43)
      const visitor = site.visitor()
      visitor.cookies.set('sid', `${value}.${value}`)
      await visitor.get('/set?a=1')
      expect(visitor.cookie).not.toContain(value)
      expect((await visitor.get('/read')).json()).toEqual({ a: '1' })
    })

    test('R22: a cookie of another cookie name, application or secret is anonymous', async () => {
      const site = await open()
      const { cookie } = await site.signedIn()
      for (const options of [
        { cookie: { name: 'other' } },
        { keyPrefix: 'other:' },
        { secret: otherSecret },
      ]) {
        const foreign = await open({}, { medium: site, ...options })
        const name = foreign.sessions.settings.cookie.name
        expect((await foreign.ask('/read', { headers: { cookie: `${name}=${cookie}` } })).json()).toEqual({})
      }
    })

    test('R17: a session in the query, a header or the body does not count', async () => {
      const site = await open()
      const { cookie } = await site.signedIn()
      const value = encodeURIComponent(cookie)
      const headers = {
        sid: cookie,
        'x-sid': cookie,
        'set-cookie': `sid=${cookie}`,
        authorization: `Bearer ${cookie}`,
      }
      const form = { ...headers, 'content-type': 'application/x-www-form-urlencoded' }
      const json = { ...headers, 'content-type': 'application/json' }
      for (const asking of [
        { headers },
        { headers: form, method: 'POST', body: `sid=${value}` },
        { headers: json, method: 'POST', body: JSON.stringify({ sid: cookie }) },
      ]) {
        const reply = await site.ask(`/read?sid=${value}&session=${value}`, asking)
        expect([reply.status, reply.json()]).toEqual([200, {}])
      }
    })
  })
}

/** With one bit changed, each of them once. */
function flipped(text: string): string[] {
  return Array.from({ length: text.length * 8 }, (_, bit) => {
    const bytes = Buffer.from(text, 'latin1')
    const at = bit >> 3
    bytes.writeUInt8(bytes.readUInt8(at) ^ (1 << (bit & 7)), at)
    return bytes.toString('latin1')
  })
}

/** What is left makes no HTTP request. */
function fitsHeader(text: string): boolean {
  return /^[\x20-\x7e\x80-\xff]*$/.test(text)
}
