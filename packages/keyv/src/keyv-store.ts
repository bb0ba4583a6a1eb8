import type {
  Conflict,
  CreateOptions,
  Gone,
  Loaded,
  NamedSessions,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreAbilities,
  StoreHealth,
  Written,
} from '@sojourn/core'
import { isId, newId, unavailable } from '@sojourn/core/store-kit'
import { type AtomicAdapter, isAtomic, type KeyvAdapter } from './adapter.ts'
import { EmulatedAdapter } from './emulated-adapter.ts'
import { corrupt, decodeRecord, encodeChange, encodeRecord } from './record-text.ts'

export interface KeyvStoreOptions {
  /** Default: `keyv`. */
  readonly name?: string
  /** Before each id; the default is `session:`. */
  readonly keyPrefix?: string
  /** Whether other processes see the same storage. Default: true, but for a `Map`. */
  readonly sharedAcrossProcesses?: boolean
  /** Whether the adapter's server counts a key's life by a clock of its own. Default: false. */
  readonly ownClock?: boolean
}

/**
 * Sessions in whatever a Keyv adapter reaches: `keyvStore(new KeyvSqlite('sqlite://sessions.db'))`.
 *
 * Changes are atomic among the requests of one process; across processes only if the adapter is an `AtomicAdapter`
 * (`supports.atomicUpdate` says which).
 */
export function keyvStore(adapter: KeyvAdapter, options: KeyvStoreOptions = {}): SessionStore {
  return new KeyvStore(adapter, options)
}

export class KeyvStore implements SessionStore, NamedSessions {
  readonly name: string
  readonly supports: StoreAbilities
  readonly #adapter: AtomicAdapter
  readonly #prefix: string
  #closing: Promise<void> | undefined

  constructor(adapter: KeyvAdapter, options: KeyvStoreOptions) {
    this.name = options.name ?? 'keyv'
    this.supports = {
      sharedAcrossProcesses: options.sharedAcrossProcesses ?? !isMap(adapter),
      revocation: true,
      atomicUpdate: isAtomic(adapter),
      userIndex: false,
      ownClock: options.ownClock ?? false,
      namedSessions: true,
    }
    if (adapter.throwOnErrors === false) adapter.throwOnErrors = true
    this.#adapter = isAtomic(adapter) ? adapter : new EmulatedAdapter(adapter)
    this.#prefix = options.keyPrefix ?? 'session:'
  }

  async load(token: string): Promise<Loaded | null> {
    if (!isId(token)) return null
    const text = await this.#adapter.get(this.keyOf(token))
    if (text === undefined || text === null) return null
    if (typeof text !== 'string') throw corrupt()
    const loaded = decodeRecord(text)
    return (await this.isLive(loaded.record, this.keyOf(token))) ? loaded : null
  }

  async create(record: SessionRecord, options?: CreateOptions): Promise<Written> {
    const written = await this.createAs(newId(), record, options)
    if (written === null)
      throw unavailable(new Error('256 random bits came twice: the random source of this machine is broken'))
    return written
  }

  async createAs(token: string, record: SessionRecord, _options?: CreateOptions): Promise<Written | null> {
    const text = encodeRecord(record, 1)
    const created = await this.#adapter.createIfAbsent(this.keyOf(token), text, record.expiresAt)
    return created ? { status: 'written', token, version: '1' } : null
  }

  async update(token: string, change: SessionChange): Promise<Written | Gone | Conflict> {
    const text = encodeChange(change)
    if (!isId(token)) return { status: 'gone' }
    const applied = await this.#adapter.applyChange(this.keyOf(token), text)
    if (applied.status === 'gone') return applied
    if (applied.status === 'conflict') return { status: 'conflict', current: decodeRecord(applied.text) }
    return { status: 'written', token, version: String(applied.version) }
  }

  async destroy(token: string): Promise<void> {
    if (isId(token)) await this.#adapter.delete(this.keyOf(token))
  }

  async health(): Promise<StoreHealth> {
    const start = performance.now()
    await this.#adapter.get(this.keyOf('health'))
    const warnings = this.supports.atomicUpdate ? [] : ['updates are atomic within one process only']
    return { store: this.name, reachable: true, latency: performance.now() - start, warnings }
  }

  close(): Promise<void> {
    // Not every adapter can be disconnected twice.
    this.#closing ??= this.#disconnect()
    return this.#closing
  }

  async #disconnect(): Promise<void> {
    await this.#adapter.disconnect?.()
  }

  /** Whether what the adapter still has under the key is live. */
  protected isLive({ expiresAt }: SessionRecord, _key: string): boolean | Promise<boolean> {
    return expiresAt > Date.now()
  }

  protected keyOf(token: string): string {
    return this.#prefix + token
  }
}

/** A `Map`, or a `Keyv` that was given no other storage. */
function isMap(adapter: KeyvAdapter): boolean {
  return adapter instanceof Map || ('store' in adapter && adapter.store instanceof Map)
}
