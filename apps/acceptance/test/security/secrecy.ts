import { inspect } from 'node:util'
import { canary, collected, type Reply, secret, troubles } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import { type Place, tokenOf } from './place.ts'

/** What nobody gets to see but the browser. */
export function secrecy({ kind, open }: Place): void {
  describe('secrecy', () => {
    test('R11: HttpOnly, and the id appears in Set-Cookie only: in no body, no other header, no error page', async () => {
      const site = await open({
        '/fail': ({ owner }) => {
          owner.session.a = 1
          throw new Error('no page for this')
        },
        '/unfit': ({ owner, send }) => {
          owner.session.when = new Date()
          send('')
        },
        '/gone': async ({ owner, send }) => {
          await other?.get('/sign-out')
          owner.session.late = 'yes'
          send('')
        },
      })
      const ada = site.visitor()
      const replies: Reply[] = []
      const cookies = new Set<string>()
      for (const path of [
        '/set?a=1',
        '/read',
        '/sign-in',
        '/read',
        '/count',
        '/fail',
        '/unfit',
        '/nowhere',
        '/sign-out',
      ]) {
        replies.push(await ada.get(path))
        if (ada.cookie !== '') cookies.add(ada.cookie)
      }
      const other = (await site.signedIn()).copy()
      cookies.add(other.cookie)
      replies.push(await other.copy().get('/gone'))
      const lines = replies.flatMap(({ setCookies }) => setCookies)
      expect(lines.length).toBeGreaterThan(2)
      for (const line of lines) expect(line).toMatch(/; HttpOnly(;|$)/)
      expect(replies.map(({ status }) => status)).toEqual(
        [200, 200, 200, 200, 200, 500, 500, 404, 302].concat(kind.revokes ? 409 : 200),
      )
      for (const { body, headers, statusMessage } of replies) {
        const { 'set-cookie': _, ...rest } = headers
        for (const cookie of cookies)
          expect([body, statusMessage, JSON.stringify(rest)].join()).not.toContain(tokenOf(cookie))
      }
    })

    test('R19: no error, stack or log line has the id, the secret or content', async () => {
      const errors: unknown[] = []
      const site = await open(troubles, { errors: collected(errors) })
      const ada = await site.signedIn()
      await ada.get('/keep')
      for (const path of ['/unfit', '/late', '/reserved', '/update']) await ada.get(path)
      // Something that is no session's text, under its key.
      await site.texts?.write(`session:${tokenOf(ada.cookie)}`, `{"${canary}`)
      const corrupt = await ada.copy().get('/read')
      expect(corrupt.status).toBe(kind.revokes ? 500 : 200)
      expect(errors.length).toBe(kind.revokes ? 5 : 4)
      const shown = [
        ...site.log,
        ...errors.map(error => inspect(error, { depth: 9, showHidden: true })),
      ].join('\n')
      expect(shown).toContain('at ')
      for (const hidden of [canary, tokenOf(ada.cookie), secret]) expect(shown).not.toContain(hidden)
    })

    if (kind.revokes) return
    test(`R23: whoever has the ${kind.name} ${kind.name === 'sealed cookie' ? 'reads nothing in it' : 'can read it, as its documentation says'}`, async () => {
      const site = await open()
      const ada = await site.signedIn()
      await ada.get(`/set?${canary}=${canary}`)
      const parts = ada.cookie.split('.')
      const shown = [
        ada.cookie,
        ...parts.map(part => Buffer.from(part, 'base64url').toString('latin1')),
      ].join()
      const found = [canary, '"ada"'].filter(text => shown.includes(text))
      expect(found).toEqual(kind.name === 'sealed cookie' ? [] : [canary, '"ada"'])
    })
  })
}
