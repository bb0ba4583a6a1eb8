import type { SessionRecord, SessionStore } from '@sojourn/core'
import { brokenStore } from './wrap.ts'

/** A store that changes the rest of a record on its way in. */
function writesRecord(change: (record: SessionRecord) => SessionRecord): SessionStore {
  return brokenStore(sound => ({ create: (record, options) => sound.create(change(record), options) }))
}

/** Text is all that it can keep: nobody becomes a user named undefined. */
export function keepsUserIdsAsText(): SessionStore {
  return writesRecord(record => ({ ...record, userId: String(record.userId) }))
}

/** Makes a part of a key of the userId, and drops what a key can't have. */
export function bendsUserIds(): SessionStore {
  return writesRecord(record =>
    record.userId === undefined ? record : { ...record, userId: record.userId.replace(/[^\w@.]/g, '') },
  )
}

/** Keeps times in seconds. */
export function roundsTimes(): SessionStore {
  return writesRecord(record => ({ ...record, createdAt: Math.floor(record.createdAt / 1000) * 1000 }))
}

/** Declares what it has no methods for. */
export function claimsTooMuch(): SessionStore {
  return brokenStore(sound => {
    Object.assign(sound, { listByUser: undefined, destroyByUser: undefined })
    return { name: 'my store', supports: { ...sound.supports, eviction: true, namedSessions: true } }
  })
}

/** Writes the record anew at every update: whose it was, and since when, is lost. */
export function forgetsTheUser(): SessionStore {
  return brokenStore(sound => {
    const updated = new Map<string, number>()
    return {
      async load(token) {
        const loaded = await sound.load(token)
        const createdAt = updated.get(token)
        if (loaded === null || createdAt === undefined) return loaded
        const { data, expiresAt } = loaded.record
        return { ...loaded, record: { data, createdAt, expiresAt } }
      },
      async update(token, change) {
        const outcome = await sound.update(token, change)
        if (outcome.status === 'written') updated.set(token, Date.now())
        return outcome
      },
    }
  })
}

/** Says that others see its sessions, and keeps them to itself. */
export function keepsSessionsToItself(): SessionStore {
  return brokenStore(sound => ({ supports: { ...sound.supports, sharedAcrossProcesses: true } }))
}
