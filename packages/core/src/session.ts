import { inspect } from 'node:util'
import type { Data } from './change.ts'
import { isSessionError, SessionError } from './errors.ts'
import type { Flash } from './flash.ts'
import type { SessionRequest } from './request.ts'

/**
 * What an application keeps in its sessions. Declare yours once, and `req.session` and `ctx.session` have it:
 *
 * ```ts
 * declare module '@sojourn/core' {
 *   interface SessionData { theme?: 'light' | 'dark' }
 * }
 * ```
 */
// biome-ignore lint/suspicious/noEmptyInterface: applications add to it by declaration merging
export interface SessionData {}

export type SessionCallback = (error?: unknown) => void

export interface RegenerateOptions {
  /** Whom the session belongs to from now on. A non-empty string. */
  readonly userId?: string
  /**
   * What `sessions.ofUser(userId).list()` is to tell of this session, such as device and address: a plain object of at most
   * 1024 bytes as JSON. Kept by stores with `supports.userIndex`, also when the session is regenerated without it.
   */
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** The methods and properties of a session; their names can't be used as keys. */
export interface SessionControls {
  /**
   * The session's id, or `undefined` while it is not stored yet or lives in a cookie alone. Whoever has it, and the
   * secret, has the session: don't show it, don't log it.
   */
  readonly id: string | undefined
  /** True until the session is first stored. */
  readonly isNew: boolean
  /** Set by `regenerate({ userId })` and by nothing else. */
  readonly userId: string | undefined
  /** The cookie of this one session: a `maxAge` in milliseconds makes it outlive the browser ("remember me"). */
  readonly cookie: { maxAge: number | undefined }
  /** Messages for the next page. */
  readonly flash: Flash
  /**
   * Gives the session a new id and ends the old one, at sign-in and at every change of privilege. Keeps the data.
   *
   * @throws SessionError ERR_SESSION_GONE if the session ended meanwhile and no other `userId` begins a new one,
   * ERR_SESSION_LIMIT if the user has `maxPerUser` sessions and `onMaxPerUser` is `refuse`
   */
  regenerate(options?: RegenerateOptions): Promise<void>
  regenerate(options: RegenerateOptions, callback: SessionCallback): void
  /**
   * With a callback alone, it does what express-session's does: `req.session` is then another session, empty and of
   * nobody.
   */
  regenerate(callback: SessionCallback): void
  /** Ends the session, in the store too, and empties it. Keys that are set once it is done begin a new session. */
  destroy(): Promise<void>
  destroy(callback: SessionCallback): void
  /** Stores now what would be stored when the response begins. */
  save(): Promise<void>
  save(callback: SessionCallback): void
  /**
   * Atomic read-modify-write: `change` gets the session's data as they stand in the store, with this request's own
   * changes, and modifies them in place. It runs again whenever another request was faster, and others wait for it, so
   * it should do nothing else. Resolves with what `change` returned, once that is stored; rejects, and stores nothing,
   * with what `change` threw. (A cookie store can't guarantee atomicity.)
   *
   * If it fails for another reason, so does the response, also if the handler catches the error: what was to be stored is
   * not. To try again, call it with the same function.
   *
   * @throws SessionError ERR_SESSION_GONE, or ERR_SESSION_CONFLICT if `storeTimeout` passed without success
   */
  update<T>(change: (data: SessionData & Data) => T | Promise<T>): Promise<T>
}

/** The session of one request: its data are own properties, its controls are on the prototype. */
export type Session = SessionControls & SessionData

const owner = Symbol('sojourn.request')

/** The prototype of all sessions. Nothing of it is enumerable, so a session looks like its data. */
class SessionObject {
  /** The guard answers it. */
  declare readonly [owner]: SessionRequest

  get id(): string | undefined {
    return this[owner].id
  }
  get isNew(): boolean {
    return this[owner].isNew
  }
  get userId(): string | undefined {
    return this[owner].userId
  }
  get cookie(): { maxAge: number | undefined } {
    return cookieOf(this[owner])
  }
  get flash(): Flash {
    return this[owner].flash
  }
  regenerate(
    options?: RegenerateOptions | SessionCallback,
    callback?: SessionCallback,
  ): Promise<void> | undefined {
    const request = this[owner]
    if (typeof options === 'function') return settle(request.renew(), options, request)
    return settle(request.regenerate(options ?? {}), callback, request)
  }
  destroy(callback?: SessionCallback): Promise<void> | undefined {
    return settle(this[owner].destroy(), callback, this[owner])
  }
  save(callback?: SessionCallback): Promise<void> | undefined {
    return settle(this[owner].save(), callback, this[owner])
  }
  update(change: (data: Data) => unknown): Promise<unknown> {
    return this[owner].update(change)
  }
  /** Never shows content or id, whoever logs a session. */
  [inspect.custom](): string {
    // The proxy's target, which `%o` shows, has no guard to ask.
    if (this[owner] === undefined) return `Session { keys: ${Object.keys(this).length} }`
    return `Session { keys: ${Object.keys(this).length}, isNew: ${this.isNew}, signedIn: ${this.userId !== undefined} }`
  }
}

/** Names that data can't have: the controls', and those that change what an object is. */
export function isReserved(key: string): boolean {
  return key === '__proto__' || Object.hasOwn(SessionObject.prototype, key)
}

/**
 * Guards the object that users hold: a change after the response has begun would be lost, a control's name as a key
 * would hide the control. Both throw, in sloppy mode too.
 */
class SessionGuard implements ProxyHandler<Data> {
  readonly #request: SessionRequest

  constructor(request: SessionRequest) {
    this.#request = request
  }

  get(data: Data, key: string | symbol, session: unknown): unknown {
    if (key === owner) return this.#request
    const value: unknown = Reflect.get(data, key, session)
    if (typeof key === 'symbol' || !Object.hasOwn(data, key) || this.#request.isOpen) return value
    return readOnly(value)
  }

  set(data: Data, key: string | symbol, value: unknown): boolean {
    if (key === 'flash') this.#request.setFlash(messagesIn(value))
    else {
      this.#assertChangeable(key)
      data[key] = value
    }
    return true
  }

  defineProperty(data: Data, key: string | symbol, descriptor: PropertyDescriptor): boolean {
    this.#assertChangeable(key)
    if (!('value' in descriptor)) throw new TypeError('A session keeps values: accessors can not be stored.')
    const { value } = descriptor
    return Reflect.defineProperty(data, key, { value, enumerable: true, configurable: true, writable: true })
  }

  deleteProperty(data: Data, key: string | symbol): boolean {
    if (key === 'flash') this.#request.setFlash({})
    if (Object.hasOwn(data, key)) this.#assertChangeable(key)
    return Reflect.deleteProperty(data, key)
  }

  setPrototypeOf(): never {
    throw new TypeError('The prototype of a session can not be changed.')
  }

  preventExtensions(): never {
    throw new TypeError('A session can not be frozen or sealed.')
  }

  #assertChangeable(key: string | symbol): asserts key is string {
    if (typeof key === 'symbol')
      throw new TypeError('A session can not keep a symbol: use a string as the key.')
    if (isReserved(key)) throw reservedKey(key)
    this.#request.assertOpen()
  }
}

/** So that a value is the same each time. */
const readOnlyValues = new WeakMap<object, object>()

/** What is changed inside a value after the response has begun would be lost as well. */
function readOnly(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  const known = readOnlyValues.get(value) ?? new Proxy(value, readOnlyGuard)
  readOnlyValues.set(value, known)
  return known
}

const tooLate = () => {
  throw alreadyCommitted()
}
const readOnlyGuard: ProxyHandler<object> = {
  get(value, key, proxy) {
    const found: unknown = Reflect.get(value, key, proxy)
    // What is frozen, a proxy may not show as something else.
    return Reflect.getOwnPropertyDescriptor(value, key)?.configurable === false ? found : readOnly(found)
  },
  set: tooLate,
  defineProperty: tooLate,
  deleteProperty: tooLate,
  setPrototypeOf: tooLate,
}

/** The target of a session's proxy, where core reads and writes the data unguarded. */
export function createData(): Data {
  return Object.create(SessionObject.prototype)
}

export function createSession(request: SessionRequest, data: Data): Session {
  return new Proxy(data, new SessionGuard(request)) as Data & Session
}

/** Frozen, because what express-session's cookies have beside it is nothing that could be set here. */
function cookieOf(request: SessionRequest): { maxAge: number | undefined } {
  return Object.freeze({
    get maxAge() {
      return request.maxAge
    },
    set maxAge(value) {
      request.maxAge = value
    },
  })
}

/** connect-flash assigns a dictionary of messages. */
function messagesIn(value: unknown): object {
  if ((typeof value === 'object' || typeof value === 'function') && value !== null) return value
  throw new TypeError("session.flash keeps messages by key: call session.flash('info', text).")
}

/** Promise style without a callback, Node style with one. */
function settle(
  work: Promise<void>,
  callback: SessionCallback | undefined,
  request: SessionRequest,
): Promise<void> | undefined {
  if (callback === undefined) return work
  if (typeof callback !== 'function')
    throw new TypeError('The callback of a session method must be a function.')
  const failed = (thrown: unknown) => {
    if (!isSessionError(thrown)) throw thrown
    request.raise(thrown)
  }
  const callBack = (error?: unknown) => {
    try {
      const returned: unknown = callback(error)
      if (returned instanceof Promise) returned.catch(failed)
    } catch (thrown) {
      failed(thrown)
    }
  }
  work.then(
    () => process.nextTick(callBack),
    (error: unknown) => process.nextTick(callBack, error),
  )
  return undefined
}

export function reservedKey(key: string): TypeError {
  return new TypeError(
    `session.${key} is a part of every session and can not be used as a key: rename yours.`,
  )
}

export function alreadyCommitted(): SessionError {
  return new SessionError(
    'ERR_SESSION_COMMITTED',
    'The response of this request has begun, so its session can no longer change. Change the session before you write, send, end or redirect.',
  )
}
