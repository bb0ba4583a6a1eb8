import type { NamedSessions, SessionRecord, SessionStore } from '@sojourn/core'
import { brokenStore, trip } from './wrap.ts'

function naming(createAs: (sound: SessionStore) => NamedSessions['createAs']): SessionStore & NamedSessions {
  let own: NamedSessions['createAs'] | undefined
  const store = brokenStore(sound => {
    own = createAs(sound)
    return { supports: { ...sound.supports, namedSessions: true } }
  })
  return Object.assign(store, {
    createAs: async (token: string, record: SessionRecord) => (await own?.(token, record)) ?? null,
  })
}

/** Keeps it under a token of its own. */
export function namesAnew(): SessionStore {
  return naming(sound => (_token, record) => sound.create(record))
}

/** Looks whether there is one, and then writes: of two at a time both are written. */
export function looksBeforeItNames(): SessionStore {
  const named = new Map<string, SessionRecord>()
  return naming(sound => async (token, record) => {
    if (named.has(token) || (await sound.load(token)) !== null) return null
    await trip()
    named.set(token, record)
    return { status: 'written', token, version: '1' }
  })
}

/** Writes whatever stands there. */
export function overwritesNamed(): SessionStore {
  return naming(() => async token => ({ status: 'written', token, version: '1' }))
}
