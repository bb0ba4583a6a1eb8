import { channel } from 'node:diagnostics_channel'
import { settled, settleWithin, tooSlow } from './deadline.ts'
import { isSessionError, type SessionError, type SessionErrorCode, unavailable } from './errors.ts'
import {
  type Conflict,
  type CreateOptions,
  createsAs,
  type Gone,
  hasUserIndex,
  type Loaded,
  type SessionChange,
  type SessionRecord,
  type SessionStore,
  type Written,
} from './store.ts'

/** What a store was asked to do. */
export type StoreOperation = 'load' | 'create' | 'update' | 'destroy'

/**
 * What is published on `node:diagnostics_channel`, by the channel's name. Durations are milliseconds. Never with an id,
 * a user or data.
 */
export interface SessionEvents {
  /** A session was looked for. */
  'sojourn:load': { store: string; duration: number; found: boolean }
  /** A write was acknowledged. */
  'sojourn:commit': { store: string; duration: number; operation: 'create' | 'update' | 'destroy' }
  /** A guarded change lost against another one; `update(fn)` then runs again. */
  'sojourn:conflict': { store: string; duration: number }
  /** A change came after the end of its session. */
  'sojourn:gone': { store: string; duration: number }
  /** The store failed; `reason` is a stable word such as `timeout`, `unreachable`, `full`, or `failed`. */
  'sojourn:unavailable': { store: string; duration: number; operation: StoreOperation; reason: string }
  /** It does again what it had failed to do, or a write, which tells the same: `duration` after the first failure. */
  'sojourn:recovered': { store: string; duration: number }
}

/**
 * How long one request may still wait for its store, in milliseconds: its calls use it up, one after the other, so that
 * the answer comes in time whichever of them hangs.
 */
export interface Patience {
  left: number
}

/** The calls that requests make of a store, each with its deadline; what comes of them is published. */
export class StoreCalls {
  readonly #store: SessionStore
  readonly #timeout: number
  /** What it last failed to do: on a full disk, loads go on. */
  readonly #failing = new Set<StoreOperation>()
  /** Of its first failure, as long as anything fails. */
  #downSince = 0

  /** @param timeout milliseconds for one call */
  constructor(store: SessionStore, timeout: number) {
    this.#store = store
    this.#timeout = timeout
  }

  /** For one request. */
  patience(): Patience {
    return { left: this.#timeout }
  }

  load(token: string, patience: Patience = this.patience()): Promise<Loaded | null> {
    return this.#call(
      'load',
      patience,
      () => this.#store.load(token),
      (loaded, begun) => {
        this.#noteDone('load')
        this.#publish('sojourn:load', begun, { found: loaded !== null })
      },
    )
  }

  create(
    record: SessionRecord,
    patience: Patience = this.patience(),
    options?: CreateOptions,
  ): Promise<Written> {
    return this.#call(
      'create',
      patience,
      () => this.#store.create(record, options),
      (_written, begun) => {
        this.#noteDone('create')
        this.#publish('sojourn:commit', begun, { operation: 'create' })
      },
    )
  }

  /** False, and nothing written, if there is a session under this token already. */
  createAs(token: string, record: SessionRecord, patience: Patience): Promise<boolean> {
    const store = this.#store
    if (!createsAs(store)) throw new TypeError('the store keeps no session under a token that is given')
    return this.#call(
      'create',
      patience,
      async () => (await store.createAs(token, record)) !== null,
      (created, begun) => {
        this.#noteDone('create')
        if (created) this.#publish('sojourn:commit', begun, { operation: 'create' })
      },
    )
  }

  update(
    token: string,
    change: SessionChange,
    patience: Patience = this.patience(),
  ): Promise<Written | Gone | Conflict> {
    return this.#call(
      'update',
      patience,
      () => this.#store.update(token, change),
      ({ status }, begun) => {
        if (status !== 'written') return this.#publish(`sojourn:${status}`, begun, {})
        this.#noteDone('update')
        this.#publish('sojourn:commit', begun, { operation: 'update' })
      },
    )
  }

  destroy(token: string, patience: Patience = this.patience()): Promise<void> {
    return this.#call(
      'destroy',
      patience,
      () => this.#store.destroy(token),
      (_nothing, begun) => {
        this.#noteDone('destroy')
        this.#publish('sojourn:commit', begun, { operation: 'destroy' })
      },
    )
  }

  /** Whether the user has so many sessions. */
  hasSessions(userId: string, number: number, patience: Patience = this.patience()): Promise<boolean> {
    const store = this.#store
    const look = async () => {
      let found = 0
      if (hasUserIndex(store))
        for await (const _ of store.listByUser(userId)) if (++found >= number) return true
      return false
    }
    return this.#call('load', patience, look, () => this.#noteDone('load'))
  }

  /** @param tell hears of a success, with when the call was begun */
  #call<T>(
    operation: StoreOperation,
    patience: Patience,
    ask: () => Promise<T>,
    tell: (value: T, begun: number) => void,
  ): Promise<T> {
    const begun = performance.now()
    return inTime(patience, ask).then(
      value => {
        tell(value, begun)
        return value
      },
      (error: unknown) => {
        if (isUnavailable(error)) {
          if (this.#failing.size === 0) this.#downSince = begun
          this.#failing.add(operation)
          this.#publish('sojourn:unavailable', begun, { operation, reason: error.reason ?? 'failed' })
        }
        throw error
      },
    )
  }

  /** Some operations are rare: what one of them failed to do must not be waited for if the store takes changes again. */
  #noteDone(operation: StoreOperation): void {
    if (this.#failing.size === 0) return
    if (operation === 'create' || operation === 'update') this.#failing.clear()
    else this.#failing.delete(operation)
    if (this.#failing.size === 0) this.#publish('sojourn:recovered', this.#downSince, {})
  }

  /** @param since the duration's beginning */
  #publish<Name extends keyof SessionEvents>(
    name: Name,
    since: number,
    event: Omit<SessionEvents[Name], 'store' | 'duration'>,
  ): void {
    const to = channel(name)
    if (to.hasSubscribers)
      to.publish({ store: this.#store.name, duration: performance.now() - since, ...event })
  }
}

/** What `ask` resolves to. @throws SessionError ERR_SESSION_STORE_UNAVAILABLE if it fails, or patience ends */
export function inTime<T>(patience: Patience, ask: () => Promise<T>): Promise<T> {
  const begun = performance.now()
  const { left } = patience
  // Nobody waits for it any more, so it is not begun.
  if (left <= 0) return Promise.reject(tooSlow())
  // Calls side by side wait together.
  const spend = () => {
    patience.left = Math.min(patience.left, Math.max(0, left - (performance.now() - begun)))
  }
  const late = () => {
    // A timer may be a moment early.
    patience.left = 0
    return tooSlow()
  }
  return settleWithin(settled(ask), left, late, unavailable, spend)
}

const outages: ReadonlySet<SessionErrorCode> = new Set([
  'ERR_SESSION_STORE_UNAVAILABLE',
  'ERR_SESSION_DIRECTORY',
])

/** True if the store could not be reached or did not do what it was asked. */
export function isUnavailable(error: unknown): error is SessionError {
  return isSessionError(error) && outages.has(error.code)
}
