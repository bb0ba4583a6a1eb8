import { describe, expect, test } from 'vitest'
import type { Medium } from '../medium.ts'
import type { OpenSite } from '../site.ts'

/** The cookie as production gets it when nobody says anything about it. */
export function production<M extends Medium>(open: OpenSite<M>): void {
  describe('in production', () => {
    const env = { NODE_ENV: 'production' }

    test('R9 R10 R11 R24: __Host-sid; Path=/; HttpOnly; Secure; SameSite=Lax, without Domain', async () => {
      const site = await open({}, { env })
      const [line = ''] = (await site.ask('/set?a=1')).setCookies
      const [pair = '', ...attributes] = line.split('; ')
      expect(pair).toMatch(/^__Host-sid=[A-Za-z0-9_.-]+\.[A-Za-z0-9+/]{43}$/)
      expect(attributes.sort()).toEqual(['HttpOnly', 'Path=/', 'SameSite=Lax', 'Secure'])
    })

    test('R9: signing out clears the cookie with the same attributes, which browsers demand', async () => {
      const site = await open({}, { env })
      const ada = await site.signedIn()
      const [line = ''] = (await ada.get('/sign-out')).setCookies
      expect(line).toMatch(/^__Host-sid=; Path=\/; HttpOnly; Secure; SameSite=Lax; Max-Age=0; /)
    })

    const warnings = (log: readonly string[]) => log.filter(line => line.includes('plain http')).length

    test('R24: over plain http to a host that is not local, exactly one warning names the cause', async () => {
      const site = await open({}, { env })
      for (let times = 0; times < 3; times++) {
        await site.ask('/set?a=1', { headers: { host: 'shop.example' } })
      }
      expect(warnings(site.log)).toBe(1)
    })

    test.each([
      { host: 'localhost:3000' },
      { host: '127.0.0.1' },
      { host: '[::1]:80' },
      { host: 'shop.localhost' },
      { host: 'shop.example', 'x-forwarded-proto': 'https' },
      { host: 'shop.example', forwarded: 'for=1.2.3.4;proto=https' },
    ])('R24: no warning, and Secure all the same: %j', async headers => {
      const site = await open({}, { env })
      expect((await site.ask('/set?a=1', { headers })).setCookies).toEqual([
        expect.stringContaining('; Secure'),
      ])
      expect(warnings(site.log)).toBe(0)
    })
  })
}
