import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import type { Medium } from '../medium.ts'
import { type OpenSite, secret } from '../site.ts'
import { canary } from './troubles.ts'

/** What a session shows to whoever logs it. */
export function inspection<M extends Medium>(open: OpenSite<M>): void {
  describe('a session in a log', () => {
    test('R19: inspecting the session, or what has it, shows neither content nor id', async () => {
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
  })
}
