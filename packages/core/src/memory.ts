import { applyChange, guardsHold } from './change.ts'
import { isId, newId } from './ids.ts'
import { assertJson } from './json.ts'
import { MemoryUsers } from './memory-users.ts'
import type {
  Conflict,
  CreateOptions,
  Gone,
  Loaded,
  NamedSessions,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreHealth,
  UserIndex,
  UserSession,
  Written,
} from './store.ts'

interface Entry {
  /** JSON, so that nobody shares an object with the store. */
  readonly text: string
  readonly expiresAt: number
  readonly version: number
  readonly userId: string | undefined
}

/** Milliseconds between two looks for expired sessions that nobody asked for again. */
const sweepInterval = 60_000

const lonely =
  'sessions are in the memory of this process, so they end with it, and other workers do not see them: set SESSION_STORE=filesystem or redis'

/** Sessions in the memory of one process: for development, tests, and to see what a shared store cures. */
export function memoryStore(): SessionStore & UserIndex & NamedSessions {
  return new MemoryStore()
}

/** For `SESSION_STORE=memory`. */
export function openStore(): SessionStore {
  return memoryStore()
}

class MemoryStore implements SessionStore, UserIndex, NamedSessions {
  readonly name = 'memory'
  readonly supports = {
    sharedAcrossProcesses: false,
    revocation: true,
    atomicUpdate: true,
    userIndex: true,
    namedSessions: true,
  }
  readonly #entries = new Map<string, Entry>()
  readonly #users = new MemoryUsers(token => this.#live(token) !== undefined)
  readonly #sweeper = setInterval(() => this.#sweep(), sweepInterval).unref()

  async load(token: string): Promise<Loaded | null> {
    const entry = this.#live(token)
    return entry ? loadedFrom(entry) : null
  }

  async create(record: SessionRecord, options?: CreateOptions): Promise<Written> {
    return this.#begin(newId(), record, options)
  }

  async createAs(token: string, record: SessionRecord, options?: CreateOptions): Promise<Written | null> {
    return this.#live(token) ? null : this.#begin(token, record, options)
  }

  #begin(token: string, record: SessionRecord, options: CreateOptions = {}): Written {
    assertJson(record.data, 'data')
    if (record.userId !== undefined) {
      for (const ended of this.#users.add(record.userId, token, options)) this.#entries.delete(ended)
    }
    return this.#write(token, record, 1)
  }

  async update(token: string, change: SessionChange): Promise<Written | Gone | Conflict> {
    const entry = this.#live(token)
    if (!entry) return { status: 'gone' }
    const current = loadedFrom(entry)
    if (!guardsHold(current.record.data, current.version, change)) return { status: 'conflict', current }
    const data = applyChange(current.record.data, change)
    assertJson(data, 'data')
    const expiresAt = change.expiresAt ?? current.record.expiresAt
    return this.#write(token, { ...current.record, data, expiresAt }, entry.version + 1)
  }

  async destroy(token: string): Promise<void> {
    const userId = this.#entries.get(token)?.userId
    if (userId !== undefined) this.#users.remove(userId, token)
    this.#entries.delete(token)
  }

  async *listByUser(userId: string): AsyncGenerator<UserSession, void> {
    for (const token of this.#users.live(userId)) {
      const entry = this.#live(token)
      if (entry !== undefined) yield { token, record: loadedFrom(entry).record }
    }
  }

  async destroyByUser(
    userId: string,
    { except = [] }: { readonly except?: readonly string[] } = {},
  ): Promise<number> {
    const ended = this.#users.live(userId).filter(token => !except.includes(token))
    for (const token of ended) this.#entries.delete(token)
    this.#users.noteEnd(userId)
    return ended.length
  }

  async health(): Promise<StoreHealth> {
    return { store: this.name, reachable: true, latency: 0, warnings: [lonely] }
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper)
    this.#entries.clear()
  }

  #live(token: string): Entry | undefined {
    const entry = isId(token) ? this.#entries.get(token) : undefined
    return entry && entry.expiresAt > Date.now() ? entry : undefined
  }

  #write(token: string, record: SessionRecord, version: number): Written {
    const { expiresAt, userId } = record
    const text = JSON.stringify(record)
    if (expiresAt > Date.now()) this.#entries.set(token, { text, expiresAt, version, userId })
    else this.#entries.delete(token)
    return { status: 'written', token, version: String(version) }
  }

  #sweep(): void {
    const now = Date.now()
    for (const [token, { expiresAt }] of this.#entries) if (expiresAt <= now) this.#entries.delete(token)
    this.#users.sweep()
  }
}

function loadedFrom({ text, version }: Entry): Loaded {
  return { record: JSON.parse(text), version: String(version) }
}
