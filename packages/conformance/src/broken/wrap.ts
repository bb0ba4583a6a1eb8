import type { SessionRecord, SessionStore, UserIndex } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'

/** A memory store that does some of its work wrongly; `replace` gets one that does all of it well. */
export function brokenStore(
  replace: (sound: SessionStore & UserIndex) => Partial<SessionStore & UserIndex>,
): SessionStore {
  const sound = memoryStore()
  const whole: SessionStore & UserIndex = {
    name: sound.name,
    supports: { ...sound.supports, namedSessions: false },
    load: token => sound.load(token),
    create: (record, options) => sound.create(record, options),
    update: (token, change) => sound.update(token, change),
    destroy: token => sound.destroy(token),
    health: () => sound.health(),
    close: () => sound.close(),
    listByUser: userId => sound.listByUser(userId),
    destroyByUser: (userId, options) => sound.destroyByUser(userId, options),
    ...replace(sound),
  }
  return whole
}

/** The way to the medium and back, during which other calls have their turn. */
export function trip(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

export function withData(record: SessionRecord, data: SessionRecord['data']): SessionRecord {
  return { ...record, data }
}
