import type { SessionRecord, SessionStore } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'

/** A memory store that does some of its work wrongly; `replace` gets one that does all of it well. */
export function brokenStore(replace: (sound: SessionStore) => Partial<SessionStore>): SessionStore {
  const sound = memoryStore()
  return {
    name: sound.name,
    supports: sound.supports,
    load: token => sound.load(token),
    create: record => sound.create(record),
    update: (token, change) => sound.update(token, change),
    destroy: token => sound.destroy(token),
    health: () => sound.health(),
    close: () => sound.close(),
    ...replace(sound),
  }
}

/** The way to the medium and back, during which other calls have their turn. */
export function trip(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

export function withData(record: SessionRecord, data: SessionRecord['data']): SessionRecord {
  return { ...record, data }
}
