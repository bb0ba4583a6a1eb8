import type { SessionStore } from '@sojourn/core'
import { applyChange, guardsHold } from '@sojourn/core/store-kit'
import { brokenStore, trip } from './wrap.ts'

/** Reads, merges and writes the whole copy back, as express-session does. */
export function losesUpdates(): SessionStore {
  return brokenStore(sound => ({
    async update(token, change) {
      const seen = await sound.load(token)
      if (seen === null) return { status: 'gone' }
      if (!guardsHold(seen.record.data, seen.version, change)) return { status: 'conflict', current: seen }
      await trip()
      const stands = await sound.load(token)
      const set = applyChange(seen.record.data, change)
      const remove = Object.keys(stands?.record.data ?? {}).filter(key => !Object.hasOwn(set, key))
      return sound.update(token, { set, remove, expiresAt: change.expiresAt ?? seen.record.expiresAt })
    },
  }))
}

/** Writes what is not there, as a plain SET does: a request in flight brings a destroyed session back. */
export function resurrects(): SessionStore {
  return brokenStore(sound => {
    const reborn = new Map<string, string>()
    const tokenOf = (token: string) => reborn.get(token) ?? token
    return {
      load: token => sound.load(tokenOf(token)),
      destroy: token => sound.destroy(tokenOf(token)),
      async update(token, change) {
        const outcome = await sound.update(tokenOf(token), change)
        if (outcome.status === 'written') return { ...outcome, token }
        if (outcome.status === 'conflict') return outcome
        const createdAt = Date.now()
        const expiresAt = change.expiresAt ?? createdAt + 60_000
        const created = await sound.create({ data: applyChange({}, change), createdAt, expiresAt })
        reborn.set(token, created.token)
        return { ...created, token }
      },
    }
  })
}

/** Looks whether the session is there, and then writes without looking: a destroy in between is undone. */
export function resurrectsInFlight(): SessionStore {
  return brokenStore(sound => {
    const reborn = new Map<string, string>()
    const tokenOf = (token: string) => reborn.get(token) ?? token
    return {
      load: token => sound.load(tokenOf(token)),
      destroy: token => sound.destroy(tokenOf(token)),
      async update(token, change) {
        const seen = await sound.load(tokenOf(token))
        if (seen === null) return { status: 'gone' }
        await trip()
        const outcome = await sound.update(tokenOf(token), change)
        if (outcome.status !== 'gone') return outcome.status === 'written' ? { ...outcome, token } : outcome
        const data = applyChange(seen.record.data, change)
        const created = await sound.create({ ...seen.record, data })
        reborn.set(token, created.token)
        return { ...created, token }
      },
    }
  })
}

/** Two writes for one change: between them half of it is to be seen. */
export function appliesInHalves(): SessionStore {
  return brokenStore(sound => ({
    async update(token, change) {
      const keys = Object.keys(change.set ?? {})
      const first = keys.slice(0, 1)
      const pick = (some: string[]) => Object.fromEntries(some.map(key => [key, change.set?.[key]]))
      const { set, remove, expiresAt, ...guards } = change
      const outcome = await sound.update(token, { ...guards, set: pick(first) })
      if (outcome.status !== 'written') return outcome
      await trip()
      const { set: _, expectedVersion, expectedValues, ...rest } = change
      return sound.update(token, { ...rest, set: pick(keys.slice(1)) })
    },
  }))
}

/** Sends a copy instead of a change: keys that the change does not name are lost. */
export function replacesData(): SessionStore {
  return brokenStore(sound => ({
    async update(token, change) {
      const stands = await sound.load(token)
      return sound.update(token, { ...change, remove: Object.keys(stands?.record.data ?? {}) })
    },
  }))
}

/** Sets what it should and forgets what it should remove. */
export function forgetsRemovals(): SessionStore {
  return brokenStore(sound => ({ update: (token, { remove, ...change }) => sound.update(token, change) }))
}

/** Marks a key as removed and never takes the mark away: once it is set anew, it is not there. */
export function removesForGood(): SessionStore {
  return brokenStore(sound => {
    const removed = new Map<string, readonly string[]>()
    return {
      async update(token, change) {
        const marks = removed.get(token) ?? []
        const set = Object.entries(change.set ?? {}).filter(([key]) => !marks.includes(key))
        const outcome = await sound.update(token, { ...change, set: Object.fromEntries(set) })
        if (outcome.status === 'written') removed.set(token, [...marks, ...(change.remove ?? [])])
        return outcome
      },
    }
  })
}

/** Merges inside a key, which destroyed data in connect-redis 6.1. */
export function mergesDeeply(): SessionStore {
  return brokenStore(sound => ({
    async update(token, change) {
      const stands = await sound.load(token)
      const set = Object.entries(change.set ?? {}).map(([key, value]) => {
        const before = stands?.record.data[key]
        return [key, isPlain(before) && isPlain(value) ? { ...before, ...value } : value]
      })
      return sound.update(token, { ...change, set: Object.fromEntries(set) })
    },
  }))
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
