import type { Data } from './change.ts'
import type { Loaded, SessionChange } from './store.ts'

/** A session as it was read, or as it is thought to stand: then without a version. */
export interface Known {
  readonly record: Loaded['record']
  readonly version: string | undefined
}

/** What a change is guarded by, so that it applies only where what was read still stands. */
export type Guard = Pick<SessionChange, 'expectedVersion' | 'expectedValues'>

/**
 * Which keys functions look at. What they make of the data holds as long as those have the values that were seen, so
 * that their write need not lose against changes of other keys. (Optimistic validation of the read set: Kung and
 * Robinson, 1981.)
 */
export class Reads {
  readonly #keys = new Set<string>()
  #all = false

  /** The same data, noting what is looked at. */
  watch(data: Data): Data {
    return new Proxy(data, {
      get: (target, key) => {
        this.#note(key)
        return Reflect.get(target, key)
      },
      has: (target, key) => {
        this.#note(key)
        return Reflect.has(target, key)
      },
      getOwnPropertyDescriptor: (target, key) => {
        this.#note(key)
        return Reflect.getOwnPropertyDescriptor(target, key)
      },
      ownKeys: target => {
        this.#all = true
        return Reflect.ownKeys(target)
      },
      // Without a trap, an assignment would look at the key first.
      set: (target, key, value) => Reflect.set(target, key, value),
    })
  }

  /** True if a function looked at which keys there are: then any change may matter to it. */
  get all(): boolean {
    return this.#all
  }

  /** @param stands the data before any of the functions */
  guard({ record: { data }, version }: Known): Guard {
    if (this.#all) return version === undefined ? {} : { expectedVersion: version }
    const expectedValues: Data = Object.create(null)
    for (const key of this.#keys) expectedValues[key] = Object.hasOwn(data, key) ? data[key] : undefined
    return { expectedValues }
  }

  #note(key: string | symbol): void {
    if (typeof key === 'string') this.#keys.add(key)
  }
}
