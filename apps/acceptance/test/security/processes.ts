import { beforeAll, describe, expect, it } from 'vitest'
import { canary } from '../fixtures/actions.ts'
import { type Server, secret, startServer } from '../serving.ts'
import { type Kind, kinds, type OutsideMedium } from './kinds.ts'
import { tokenOf } from './place.ts'

/** How often each process must say the same. */
const rounds = 10

/** Whom each of the four processes takes the bearer of this cookie for. */
async function everyProcess(server: Server, cookie: string): Promise<Set<unknown>> {
  const seen = new Map<unknown, unknown>()
  while (seen.size < 4) {
    const { body } = await server.get('/', cookie, 'own')
    seen.set(body.pid, body.userId)
  }
  return new Set(seen.values())
}

/** What holds between processes: `sojourn serve` with four workers. */
export function processes(app: string): void {
  // A sealed cookie differs from a signed one in nothing that another process could notice.
  describe.each(kinds.filter(({ name }) => name !== 'sealed cookie'))('four processes: $name', kind => {
    let medium: OutsideMedium
    let server: Server
    beforeAll(async () => {
      medium = kind.newMedium()
      server = await startServer(app, { ...medium.keep.env, DEBUG: '*', NODE_DEBUG: 'koa*' })
    })

    it(`R6: once a sign-out is answered, ${afterSignOut(kind)}`, async () => {
      for (let round = 0; round < rounds; round++) {
        const cookie = await server.signIn()
        expect(await everyProcess(server, cookie)).toEqual(new Set(['ada']))
        const signedOut = await server.get('/sign-out', cookie)
        expect(signedOut.cookie).toBe('sid=')
        expect(await everyProcess(server, cookie)).toEqual(new Set([kind.revokes ? null : 'ada']))
      }
    })

    it('R19: with DEBUG=*, no process writes an id, the secret or content, whatever fails', async () => {
      const cookies = [await server.signIn()]
      for (const path of ['/confide', '/fail', '/unfit', '/', '/data']) {
        const { cookie } = await server.get(path, cookies.at(-1))
        if (cookie !== undefined) cookies.push(cookie)
      }
      const tokens = cookies.map(cookie => tokenOf(cookie.replace('sid=', '')))
      // Something that is no session's text, under its key.
      for (const token of tokens) await medium.texts?.write(`session:${token}`, `{"${canary}`)
      expect((await server.get('/', cookies[0])).status).toBe(kind.revokes ? 500 : 200)
      await server.stop()
      const written = server.output.join('\n')
      expect(written).toMatch(/express:|koa:/i)
      for (const hidden of [canary, secret, ...tokens]) expect(written).not.toContain(hidden)
    })
  })
}

function afterSignOut({ revokes }: Kind): string {
  return revokes
    ? 'its cookie is anonymous in every process'
    : 'a copy of its cookie works in every process until the expiry inside it'
}
