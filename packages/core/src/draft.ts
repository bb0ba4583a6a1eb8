import type { Data } from './change.ts'
import { assertStorable, ownsKey } from './content.ts'
import { isReserved, reservedKey } from './session.ts'
import type { Snapshot } from './snapshot.ts'
import type { SessionChange } from './store.ts'

/** What a change is guarded by, so that it applies only where what was read still stands. */
export type Guard = Pick<SessionChange, 'expectedVersion' | 'expectedValues'>

/**
 * Which keys of a session functions have looked at. What they made of them holds as long as those have the values that
 * were seen, so a write need not lose against changes of other keys. (Optimistic validation of the read set: Kung and
 * Robinson, 1981.)
 */
export class Reads {
  readonly #keys = new Set<string>()
  readonly #touched = new Set<string>()
  #all = false
  #closed = false

  note(key: string): void {
    if (!this.#closed) this.#keys.add(key)
  }

  /** It was set, removed or may have been changed inside. */
  noteTouch(key: string): void {
    this.#touched.add(key)
  }

  noteAll(): void {
    if (!this.#closed) this.#all = true
  }

  /** What a function looks at once it is over, nothing was made of. */
  close(): void {
    this.#closed = true
  }

  /** Those that were looked at, set or removed. */
  get keys(): Iterable<string> {
    return new Set([...this.#keys, ...this.#touched])
  }

  /** True if one looked at which keys there are: then any change may matter to it. */
  get all(): boolean {
    return this.#all
  }

  /**
   * What was left as it was is in no change, and so must still be as it was when that is applied.
   *
   * @param stands the data before any of the functions
   * @param version theirs; `undefined` if it is not known
   * @param left the data after all of them
   */
  guard(stands: Snapshot, version: string | undefined, left: Snapshot): Guard {
    if (this.#all) return version === undefined ? {} : { expectedVersion: version }
    const expectedValues: Data = Object.create(null)
    for (const key of this.#keys) expectedValues[key] = stands.value(key)
    for (const key of this.#touched) if (left.isSame(stands, key)) expectedValues[key] = stands.value(key)
    return { expectedValues }
  }
}

/**
 * The data of a session while a function of `session.update(fn)` changes them: to the function an object like any other,
 * of which a key is decoded when it is looked at, and only what was touched is looked at afterwards.
 */
export class Draft {
  readonly #base: Snapshot
  readonly #reads: Reads
  /** Of the keys that were touched: what they are now; `undefined` for one that was removed. */
  readonly #touched = new Map<string, unknown>()
  /** What the function gets. */
  readonly data: Data

  /** @param own what was changed before, without looking */
  constructor(base: Snapshot, own: SessionChange, reads: Reads) {
    this.#base = base
    this.#reads = reads
    for (const key of own.remove ?? []) this.#touched.set(key, undefined)
    for (const [key, value] of Object.entries(own.set ?? {})) this.#touched.set(key, structuredClone(value))
    this.data = new Proxy<Data>({}, this.#handler())
  }

  /** @throws SessionError ERR_SESSION_VALUE */
  result(): Snapshot {
    const set: Data = Object.create(null)
    const remove: string[] = []
    for (const [key, value] of this.#touched) {
      if (value === undefined) remove.push(key)
      else set[key] = value
    }
    assertStorable(set)
    for (const key of this.#touched.keys()) this.#reads.noteTouch(key)
    return this.#base.with({ set, remove })
  }

  /** Of a key that is there. */
  #value(key: string): unknown {
    if (this.#touched.has(key)) return this.#touched.get(key)
    const value = this.#base.value(key)
    // What may be changed in place must be looked at again.
    if (typeof value === 'object' && value !== null) this.#touched.set(key, value)
    return value
  }

  #has(key: string): boolean {
    if (ownsKey(key)) return false
    if (this.#touched.has(key)) return this.#touched.get(key) !== undefined
    this.#reads.note(key)
    return this.#base.has(key)
  }

  #keys(): string[] {
    this.#reads.noteAll()
    const old = [...this.#base.keys].filter(
      key => this.#touched.get(key) !== undefined || !this.#touched.has(key),
    )
    const added = [...this.#touched].filter(([key, value]) => value !== undefined && !this.#base.has(key))
    return [...old, ...added.map(([key]) => key)].filter(key => !ownsKey(key))
  }

  #handler(): ProxyHandler<Data> {
    return {
      get: (target, key) => {
        if (typeof key === 'symbol' || !this.#has(key)) return Reflect.get(target, key)
        return this.#value(key)
      },
      has: (target, key) => (typeof key === 'string' && this.#has(key)) || Reflect.has(target, key),
      set: (_target, key, value) => {
        this.#touched.set(settable(key), value)
        return true
      },
      defineProperty: (_target, key, descriptor) => {
        if (!('value' in descriptor))
          throw new TypeError('A session keeps values: accessors can not be stored.')
        this.#touched.set(settable(key), descriptor.value)
        return true
      },
      deleteProperty: (_target, key) => {
        if (typeof key === 'string' && !ownsKey(key)) this.#touched.set(key, undefined)
        return true
      },
      setPrototypeOf: () => {
        throw new TypeError('The prototype of a session can not be changed.')
      },
      preventExtensions: () => {
        throw new TypeError('A session can not be frozen or sealed.')
      },
      ownKeys: () => this.#keys(),
      getOwnPropertyDescriptor: (_target, key) => {
        if (typeof key === 'symbol' || !this.#has(key)) return undefined
        return { value: this.#value(key), writable: true, enumerable: true, configurable: true }
      },
    }
  }
}

/** The data as their user knows them. */
export function withoutOwn(data: Data): Data {
  for (const key of Object.keys(data)) if (ownsKey(key)) delete data[key]
  return data
}

function settable(key: string | symbol): string {
  if (typeof key === 'string') {
    if (isReserved(key)) throw reservedKey(key)
    return key
  }
  throw new TypeError('A session can not keep a symbol: use a string as the key.')
}
