import type { Loaded, SessionChange, SessionRecord, SessionStore } from '@sojourn/core'
import { applyChange } from '@sojourn/core/store-kit'
import { brokenStore, trip } from './wrap.ts'

/** Remembers the token of the last caller while it waits: parallel callers get each other's session. */
export function mixesUpSessions(): SessionStore {
  return brokenStore(sound => {
    let wanted = ''
    return {
      async load(token) {
        wanted = token
        await trip()
        return sound.load(wanted)
      },
    }
  })
}

/** Reads from a replica, which learns of an update a little later. */
export function readsStale(): SessionStore {
  return brokenStore(sound => {
    const lagging = new Map<string, Loaded>()
    return {
      async load(token) {
        const loaded = await sound.load(token)
        return loaded && (lagging.get(token) ?? loaded)
      },
      async update(token, change) {
        const before = await sound.load(token)
        if (before !== null) lagging.set(token, before)
        setTimeout(() => lagging.delete(token), 10)
        return sound.update(token, change)
      },
    }
  })
}

/** Shares loads out among servers, one of which learns of the end of a session a little later. */
export function readsInTurn(): SessionStore {
  return brokenStore(sound => {
    const ended = new Map<string, Loaded>()
    let loads = 0
    return {
      async load(token) {
        const isLate = ++loads % 8 === 0
        return (isLate && ended.get(token)) || sound.load(token)
      },
      async destroy(token) {
        const before = await sound.load(token)
        if (before !== null) ended.set(token, before)
        setTimeout(() => ended.delete(token), 10)
        return sound.destroy(token)
      },
    }
  })
}

/** Tokens that differ in case, or by white space, are one to it. */
export function takesSimilarTokens(): SessionStore {
  return brokenStore(sound => {
    const exact = new Map<string, string>()
    const plain = (token: string) => token.trim().toLowerCase()
    const tokenOf = (token: string) => exact.get(plain(token)) ?? token
    return {
      load: token => sound.load(tokenOf(token)),
      update: (token, change) => sound.update(tokenOf(token), change),
      destroy: token => sound.destroy(tokenOf(token)),
      async create(record, options) {
        const written = await sound.create(record, options)
        exact.set(plain(written.token), written.token)
        return written
      },
    }
  })
}

/** One token per user: the second sign-in overwrites the first. */
export function overwritesOnCreate(): SessionStore {
  return brokenStore(sound => {
    const tokens = new Map<string, string>()
    return {
      async create(record, options) {
        const { userId = '', data, expiresAt } = record
        const token = tokens.get(userId)
        const stands = token === undefined ? null : await sound.load(token)
        const remove = Object.keys(stands?.record.data ?? {})
        const outcome = await sound.update(token ?? '', { set: data, remove, expiresAt })
        if (outcome.status === 'written') return outcome
        const written = await sound.create(record, options)
        tokens.set(userId, written.token)
        return written
      },
    }
  })
}

/** Answers a token that it never handed out with a session: whoever chose it can fixate it. */
export function adoptsUnknownTokens(): SessionStore {
  return brokenStore(sound => ({
    async load(token) {
      const empty = { record: { data: {}, createdAt: 0, expiresAt: Date.now() + 1000 }, version: '0' }
      return (await sound.load(token)) ?? (/^\w{32,64}$/.test(token) ? empty : null)
    },
  }))
}

/** Short tokens, counted up: anybody can guess the next one. */
export function countsTokensUp(): SessionStore {
  return brokenStore(sound => {
    const tokens = new Map<string, string>()
    const tokenOf = (token: string) => tokens.get(token) ?? ''
    return {
      load: token => sound.load(tokenOf(token)),
      destroy: token => sound.destroy(tokenOf(token)),
      async update(token, change) {
        const outcome = await sound.update(tokenOf(token), change)
        return outcome.status === 'written' ? { ...outcome, token } : outcome
      },
      async create(record, options) {
        const written = await sound.create(record, options)
        const token = `session ${tokens.size + 1}`
        tokens.set(token, written.token)
        return { ...written, token }
      },
    }
  })
}

/** An object as its index: `constructor` and `__proto__` are there before anybody signed in. */
export function indexesByPlainObject(): SessionStore {
  return brokenStore(sound => ({
    async load(token) {
      if (!(token in {})) return sound.load(token)
      return { record: { data: {}, createdAt: 0, expiresAt: Number.MAX_SAFE_INTEGER }, version: '0' }
    },
  }))
}

/** Malformed tokens are an error to it, so a visitor can make a server log errors at will. */
export function throwsAtHostileTokens(): SessionStore {
  return brokenStore(sound => ({
    async load(token) {
      if (!/^[\w-]+$/.test(token)) throw new Error('malformed token')
      return sound.load(token)
    },
  }))
}

/** A `*` reaches the medium as a pattern, and ends everything. */
export function takesPatterns(): SessionStore {
  return brokenStore(sound => {
    const tokens = new Set<string>()
    return {
      async create(record, options) {
        const written = await sound.create(record, options)
        tokens.add(written.token)
        return written
      },
      async destroy(pattern) {
        for (const token of tokens) if (pattern === '*' || pattern === token) await sound.destroy(token)
      },
    }
  })
}

/** Keeps the caller's own objects. */
export function keepsReferences(): SessionStore {
  return brokenStore(sound => {
    const records = new Map<string, SessionRecord>()
    return {
      async load(token) {
        const loaded = await sound.load(token)
        return loaded && { ...loaded, record: records.get(token) ?? loaded.record }
      },
      async create(record, options) {
        const written = await sound.create(record, options)
        records.set(written.token, record)
        return written
      },
      async update(token, change) {
        const outcome = await sound.update(token, change)
        const record = records.get(token)
        if (outcome.status === 'conflict' && record) {
          return { status: 'conflict', current: { ...outcome.current, record } }
        }
        if (outcome.status === 'written' && record) records.set(token, applied(record, change))
        return outcome
      },
    }
  })
}

function applied(record: SessionRecord, change: SessionChange): SessionRecord {
  const { expiresAt = record.expiresAt } = change
  return { ...record, expiresAt, data: applyChange(record.data, change) }
}
