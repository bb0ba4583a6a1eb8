import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { type OpenSite, secret } from '../site.ts'

const canary = 'canary-in-the-session'

export function privacy(open: OpenSite): void {
  describe('R19 R11: no id, secret or content in logs and messages', () => {
    test('inspecting the session, or what has it, shows neither content nor id', async () => {
      const shown: string[] = []
      const site = await open({
        '/show': ({ owner, send }) => {
          owner.session.canary = canary
          shown.push(inspect(owner.session), inspect({ deep: [owner.session] }), `${owner.session}`)
          shown.push(inspect(owner.session, { showHidden: true, getters: true }))
          send('shown')
        },
      })
      const ada = await site.signedIn()
      await ada.get('/show')
      await ada.get('/show')
      expect(shown.length).toBe(8)
      const id = ada.cookie.split('.')[0] ?? ''
      for (const text of shown) for (const hidden of [canary, id, secret]) expect(text).not.toContain(hidden)
      expect(shown[0]).toBe('Session { keys: 1, isNew: false, signedIn: true }')
    })

    test('no error, no reply and no line of the log shows them, whatever fails', async () => {
      const errors: unknown[] = []
      const site = await open(
        {
          '/keep': ({ owner, send }) => {
            owner.session.canary = canary
            send('kept')
          },
          '/unfit': ({ owner, send }) => {
            owner.session.value = { canary, when: new Date() }
            send('')
          },
          '/late': ({ owner, raw }) => {
            raw().res.end('late')
            owner.session.canary = `${canary}!`
          },
          '/reserved': ({ owner }) => Object.assign(owner.session, { id: canary }),
          '/stream': ({ owner, raw }) => {
            owner.session.more = canary
            raw().res.write('stream')
            raw().res.end()
          },
        },
        {
          errors: {
            answer(error) {
              errors.push(error)
              return { status: 500, body: String(error) }
            },
          },
        },
      )
      const ada = await site.signedIn()
      await ada.get('/keep')
      const paths = [
        '/unfit',
        '/late',
        '/reserved',
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
