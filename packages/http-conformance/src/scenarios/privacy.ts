import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { canary, collected, troubles } from '../security/troubles.ts'
import { type OpenSite, secret } from '../site.ts'

export function privacy(open: OpenSite): void {
  describe('privacy', () => {
    test('R19 R11: no error, no reply and no line of the log shows them, whatever fails', async () => {
      const errors: unknown[] = []
      const site = await open(troubles, { errors: collected(errors) })
      const ada = await site.signedIn()
      await ada.get('/keep')
      const paths = [
        '/unfit',
        '/late',
        '/reserved',
        '/update',
        '/stream',
        '/set?a=1',
        '/sign-in',
        '/sign-out',
        '/count',
        '/read',
      ]
      const replies: string[] = []
      const visit = async () => {
        for (const path of paths) replies.push(JSON.stringify(await ada.copy().get(path).catch(String)))
      }
      await visit()
      await ada.get('/sign-in')
      site.store.fail('create', 'update', 'destroy')
      await visit()
      site.store.fail('load')
      await visit()
      expect(errors.length).toBeGreaterThan(10)
      const shown = [...site.log, ...errors.map(error => inspect(error, { depth: 9 })), ...replies]
      const hidden = [canary, ada.cookie.split('.')[0] ?? '', secret]
      // The page that shows the session, and the cookie itself, are where they belong.
      const rest = shown.filter(text => !text.includes('"set-cookie"') && !text.includes('{\\"canary'))
      for (const text of rest) for (const word of hidden) expect(text).not.toContain(word)
    })
  })
}
