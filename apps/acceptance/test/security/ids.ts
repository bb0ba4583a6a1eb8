import { newId } from '@sojourn/core/store-kit'
import type { Site } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import type { OutsideMedium } from './kinds.ts'
import { otherSecret, type Place, seenAs, signed, tokenOf } from './place.ts'
import { expectRandom } from './randomness.ts'
import { sendBytes } from './wire.ts'

const hostile = [
  ...['..', '../../x', '../'.repeat(99), '/etc/passwd', 'C:\\x', '%2e%2e%2f', '\0', 'a\0b', 'a\r\nSET b c'],
  ...['*', '?', '[a-z]*', ':', '::', 'session:x', '{a}', ' ', 'a b', '__proto__', 'x'.repeat(16_384)],
  ...['\u00e9', Buffer.from('\ud83e\udd8a').toString('latin1'), "' OR 1=1; --"],
]

/** What a token means, and who may have made it. */
export function ids({ kind, open }: Place): void {
  describe('ids', () => {
    test('R1: a random, unsigned, unknown or other-key id is anonymous, what begins has an id of its own, nothing else is stored', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const thief = await open({}, { medium: site, secret: otherSecret })
      const eve = await thief.signedIn()
      for (const value of [
        newId(),
        `${newId()}.${newId()}`,
        signed(site, newId()),
        tokenOf(ada.cookie),
        eve.cookie,
      ]) {
        const visitor = site.visitor()
        visitor.cookies.set('sid', value)
        const before = await site.stored()
        const reply = await visitor.get('/read')
        expect([reply.status, reply.json(), reply.setCookies]).toEqual([200, {}, []])
        expect(await site.stored()).toEqual(before)
        await visitor.get('/set?a=1')
        expect(tokenOf(visitor.cookie)).not.toBe(tokenOf(value))
        expect(await visitor.get('/read').then(reply => reply.json())).toEqual({ a: '1' })
        const added = (await site.stored()).filter(name => !before.includes(name))
        expect(added).toEqual(kind.revokes ? [`session:${tokenOf(visitor.cookie)}`] : [])
      }
      expect(await seenAs(site, ada.cookie)).toEqual({ userId: 'ada' })
    })

    if (kind.revokes) {
      test('R2: 300 sign-ins get 300 ids of 256 random bits', async () => {
        const site = await open()
        const visitors = await Promise.all(Array.from({ length: 300 }, () => site.signedIn()))
        expectRandom(visitors.map(({ cookie }) => tokenOf(cookie)))
      })
    } else {
      test('R2: there is no id to guess, and no two sessions have the same cookie', async () => {
        const site = await open({ '/id': ({ owner, send }) => send(String(owner.session.id)) })
        const visitors = await Promise.all(Array.from({ length: 300 }, () => site.signedIn()))
        expect(new Set(visitors.map(({ cookie }) => tokenOf(cookie))).size).toBe(300)
        expect((await visitors[0]?.get('/id'))?.body).toBe('undefined')
      })
    }

    const paths = ['/read', '/still', '/sign-out', '/count', '/sign-in']

    async function visit(site: Site<OutsideMedium>, token: string): Promise<void> {
      const cookie = `Cookie: sid=${signed(site, token)}`
      for (const path of paths) {
        const reply = await sendBytes(
          site.port,
          `GET ${path} HTTP/1.1\r\nHost: site\r\nConnection: close\r\n${cookie}\r\n\r\n`,
        )
        expect(reply, path).toMatch(/^HTTP\/1.1 (200|302|400) /)
        if (path === '/read') expect(reply, token.slice(0, 99)).toMatch(/\{\}$|^HTTP\/1.1 400 /)
      }
    }

    test('R16: hostile ids are harmless, even correctly signed: no foreign path, no foreign key', async () => {
      const site = await open()
      for (const token of hostile) await visit(site, token)
      for (const name of await site.stored()) expect(name).toMatch(/^session:[\w-]{43}$/)
    })

    if (!kind.revokes) return
    test('R16: what lies under the key of a hostile id is not read, changed or removed', async () => {
      const site = await open()
      const ada = await site.signedIn()
      const text = await site.texts?.read(`session:${tokenOf(ada.cookie)}`)
      // No program can be given a NUL in its command line, redis-cli neither; HTTP can't carry one.
      for (const token of hostile.filter(token => !token.includes('\0'))) {
        await site.texts?.write(`session:${token}`, String(text))
        await visit(site, token)
        expect(await site.texts?.read(`session:${token}`)).toBe(text)
      }
    })
  })
}
