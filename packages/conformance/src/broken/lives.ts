import type { SessionRecord, SessionStore } from '@sojourn/core'
import { brokenStore } from './wrap.ts'

const later = 3_600_000

/** Ends sessions at another time than it says. */
function keepsFor(extra: (expiresAt: number) => number): SessionStore {
  return brokenStore(sound => {
    const stretch = <T extends { readonly expiresAt?: number }>(given: T): T =>
      given.expiresAt === undefined ? given : { ...given, expiresAt: extra(given.expiresAt) }
    const asked = new Map<string, number>()
    const answer = (token: string, record: SessionRecord) => ({
      ...record,
      expiresAt: asked.get(token) ?? record.expiresAt,
    })
    return {
      async load(token) {
        const loaded = await sound.load(token)
        return loaded && { ...loaded, record: answer(token, loaded.record) }
      },
      async create(record, options) {
        const written = await sound.create(stretch(record), options)
        asked.set(written.token, record.expiresAt)
        return written
      },
      async update(token, change) {
        const outcome = await sound.update(token, stretch(change))
        if (outcome.status === 'written' && change.expiresAt !== undefined) asked.set(token, change.expiresAt)
        if (outcome.status !== 'conflict') return outcome
        const { current } = outcome
        return { status: 'conflict', current: { ...current, record: answer(token, current.record) } }
      },
    }
  })
}

/** Expired sessions stay for an hour. */
export function ignoresExpiry(): SessionStore {
  return keepsFor(expiresAt => expiresAt + later)
}

/** Expiry rounded up to seconds, as `SET EX` does. */
export function expiresBySeconds(): SessionStore {
  return keepsFor(expiresAt => Math.ceil(expiresAt / 1000) * 1000 + 1000)
}

/** Expiry rounded down to seconds: sessions end early. */
export function expiresEarly(): SessionStore {
  return keepsFor(expiresAt => Math.floor(expiresAt / 1000) * 1000 - 1000)
}

/** A touch that answers `written` and moves nothing. */
export function forgetsTouches(): SessionStore {
  return brokenStore(sound => ({ update: (token, { expiresAt, ...change }) => sound.update(token, change) }))
}

/** Every write prolongs the session by the time that it had at first. */
export function prolongsAtEveryWrite(): SessionStore {
  return brokenStore(sound => ({
    async update(token, change) {
      const stands = await sound.load(token)
      const { createdAt = 0, expiresAt = 0 } = stands?.record ?? {}
      return sound.update(token, { expiresAt: Date.now() + expiresAt - createdAt, ...change })
    },
  }))
}

/** An expiry in the past is taken for no expiry at all. */
export function ignoresPastExpiry(): SessionStore {
  return brokenStore(sound => ({
    update: (token, { expiresAt, ...change }) =>
      sound.update(
        token,
        expiresAt !== undefined && expiresAt > Date.now() ? { ...change, expiresAt } : change,
      ),
  }))
}

/** Throws at the second sign-out of an impatient user. */
export function failsToDestroyTwice(): SessionStore {
  return brokenStore(sound => {
    const live = new Set<string>()
    return {
      async create(record, options) {
        const written = await sound.create(record, options)
        live.add(written.token)
        return written
      },
      async destroy(token) {
        if (!live.delete(token)) throw new Error('no such session')
        await sound.destroy(token)
      },
    }
  })
}

/** Acknowledges a destroy before it is effective. */
export function destroysLater(): SessionStore {
  return brokenStore(sound => ({
    async destroy(token) {
      setTimeout(() => sound.destroy(token), 20)
    },
  }))
}

/** Ends all sessions of the user instead of one. */
export function destroysTooMuch(): SessionStore {
  return brokenStore(sound => {
    const users = new Map<string, string | undefined>()
    return {
      async create(record, options) {
        const written = await sound.create(record, options)
        users.set(written.token, record.userId)
        return written
      },
      async destroy(token) {
        for (const [other, userId] of users) if (userId === users.get(token)) await sound.destroy(other)
      },
    }
  })
}

/** A connection that can be closed only once. */
export function failsToCloseTwice(): SessionStore {
  return brokenStore(sound => {
    let closed = false
    return {
      async close() {
        if (closed) throw new Error('already closed')
        closed = true
        await sound.close()
      },
    }
  })
}

/** Closes a connection that was never opened. */
export function failsToCloseUnused(): SessionStore {
  return brokenStore(sound => {
    let used = false
    return {
      create(record, options) {
        used = true
        return sound.create(record, options)
      },
      async close() {
        if (!used) throw new Error('not connected')
        await sound.close()
      },
    }
  })
}

/** Health that looks for itself by writing to a session. */
export function harmsByItsHealthCheck(): SessionStore {
  return brokenStore(sound => {
    const tokens = new Set<string>()
    return {
      async create(record, options) {
        const written = await sound.create(record, options)
        tokens.add(written.token)
        return written
      },
      async health() {
        for (const token of tokens) await sound.update(token, { set: { probe: 1 } })
        return { ...(await sound.health()), latency: Number.NaN }
      },
    }
  })
}
