import type { SessionChange, SessionStore } from '@sojourn/core'
import { brokenStore } from './wrap.ts'

/** Writes, whatever the guards say. */
export function ignoresGuards(): SessionStore {
  return brokenStore(sound => ({
    update: (token, { expectedVersion, expectedValues, ...change }) => sound.update(token, change),
  }))
}

/** Takes "not there" and `null` for the same, as Lua and SQL tend to. */
export function confusesNullWithAbsent(): SessionStore {
  return brokenStore(sound => ({
    async update(token, { expectedValues = {}, ...change }) {
      const current = await sound.load(token)
      if (current === null) return { status: 'gone' }
      const { data } = current.record
      for (const [key, value] of Object.entries(expectedValues)) {
        const stands = Object.hasOwn(data, key) ? data[key] : undefined
        if (JSON.stringify(stands ?? null) !== JSON.stringify(value ?? null))
          return { status: 'conflict', current }
      }
      return sound.update(token, change)
    },
  }))
}

/** Compares the version, which is text, with a number: it never matches. */
export function alwaysConflicts(): SessionStore {
  return brokenStore(sound => ({
    async update(token, change) {
      const current = await sound.load(token)
      const guarded = change.expectedVersion !== undefined
      return current !== null && guarded ? { status: 'conflict', current } : sound.update(token, change)
    },
  }))
}

/** Every load makes a version of its own, which no update accepts. */
export function renewsVersionsOnLoad(): SessionStore {
  return brokenStore(sound => {
    let loads = 0
    return {
      async load(token) {
        const loaded = await sound.load(token)
        return loaded && { ...loaded, version: `load ${++loads}` }
      },
    }
  })
}

/** Every write leaves the version as it is, so that no guard notices it. */
export function keepsItsVersion(): SessionStore {
  const version = 'same'
  return brokenStore(sound => ({
    async load(token) {
      const loaded = await sound.load(token)
      return loaded && { ...loaded, version }
    },
    async create(record, options) {
      return { ...(await sound.create(record, options)), version }
    },
    async update(token, { expectedVersion, ...change }) {
      const outcome = await sound.update(token, change)
      if (outcome.status === 'written') return { ...outcome, version }
      if (outcome.status === 'gone') return outcome
      return { status: 'conflict', current: { ...outcome.current, version } }
    },
  }))
}

/** The version is made of the content, so it comes back with it. */
export function versionsByContent(): SessionStore {
  return brokenStore(sound => {
    const versionOf = async (token: string) => JSON.stringify((await sound.load(token))?.record)
    const matches = async (token: string, { expectedVersion }: SessionChange) =>
      expectedVersion === undefined || expectedVersion === (await versionOf(token))
    return {
      async load(token) {
        const loaded = await sound.load(token)
        return loaded && { ...loaded, version: JSON.stringify(loaded.record) }
      },
      async create(record, options) {
        const written = await sound.create(record, options)
        return { ...written, version: await versionOf(written.token) }
      },
      async update(token, change) {
        const { expectedVersion, ...rest } = change
        const current = await sound.load(token)
        if (current === null) return { status: 'gone' }
        const version = await versionOf(token)
        if (!(await matches(token, change))) return { status: 'conflict', current: { ...current, version } }
        const outcome = await sound.update(token, rest)
        if (outcome.status === 'written') return { ...outcome, version: await versionOf(token) }
        return outcome.status === 'gone' ? outcome : { ...outcome, current: { ...outcome.current, version } }
      },
    }
  })
}
