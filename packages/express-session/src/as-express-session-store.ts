/// <reference path="./express-session.d.ts" />

import { createHash } from 'node:crypto'
import type { EventEmitter } from 'node:events'
import type { NamedSessions, SessionChange, SessionStore } from '@sojourn/core'
import { SessionError } from '@sojourn/core/store-kit'
import session from 'express-session'
import type { ExpressSession } from './express-session-store.ts'

export interface AsExpressSessionStoreOptions {
  /** Milliseconds; how long a session lives whose cookie has no expiry, since its last use. Default: 24 h. */
  readonly idleTimeout?: number
}

/** A store for express-session's option `store`, said without the need for its types. */
export interface BridgedStore extends EventEmitter {
  get(sid: string, callback: (error: unknown, session?: never) => void): void
  set(sid: string, session: ExpressSession, callback?: (error?: unknown) => void): void
  touch(sid: string, session: ExpressSession, callback?: () => void): void
  destroy(sid: string, callback?: (error?: unknown) => void): void
  load(sid: string, callback: (error: unknown, session?: never) => unknown): void
  regenerate(req: never, callback: (error?: unknown) => unknown): void
  createSession(req: never, session: never): never
}

/**
 * A store of Sojourn as a store of express-session: `session({ store: asExpressSessionStore(redisStore(url)), ... })`.
 *
 * What a request changed is stored key by key, so parallel requests lose nothing of each other's; and what was saved after the
 * session was destroyed elsewhere is an error, `ERR_SESSION_GONE`, and brings nothing back. What express-session itself leaves
 * open stays so: a response may overtake the save.
 *
 * @throws SessionError ERR_SESSION_SETTING for a store without `supports.namedSessions`, such as a cookie store
 */
export function asExpressSessionStore(
  store: SessionStore,
  { idleTimeout = 24 * 3_600_000 }: AsExpressSessionStoreOptions = {},
): BridgedStore {
  if (namesSessions(store)) return untyped(new Bridge(store, idleTimeout))
  throw new SessionError(
    'ERR_SESSION_SETTING',
    `The store ${store.name} keeps no session under an id that express-session made. Use the filesystem, Redis, memory or a Keyv adapter.`,
  )
}

/** The types of express-session say of Express' requests what those of `@sojourn/express` say otherwise: here are none. */
function untyped(bridge: Bridge): BridgedStore {
  return bridge as never
}

/** The JSON text of each key. */
type Texts = ReadonlyMap<string, string>
type Callback = (error?: unknown, session?: session.SessionData | null) => void

class Bridge extends session.Store {
  readonly #store: SessionStore & NamedSessions
  readonly #idleTimeout: number
  /** What stood in the store when a session was loaded or last saved. */
  readonly #seen = new WeakMap<object, Texts>()

  constructor(store: SessionStore & NamedSessions, idleTimeout: number) {
    super()
    this.#store = store
    this.#idleTimeout = idleTimeout
  }

  override get(sid: string, callback: Callback): void {
    answer(this.#load(sid), callback)
  }

  override set(sid: string, session: session.SessionData, callback?: Callback): void {
    answer(this.#save(sid, session), error => callback?.(error))
  }

  override touch(sid: string, session: session.SessionData, callback?: Callback): void {
    const touched = this.#store.update(tokenOf(sid), { expiresAt: this.#expiryOf(session) })
    answer(touched, error => callback?.(error))
  }

  override destroy(sid: string, callback?: Callback): void {
    answer(this.#store.destroy(tokenOf(sid)), error => callback?.(error))
  }

  override createSession(req: object, data: session.SessionData): session.SessionData {
    const seen = this.#seen.get(data)
    const created = super.createSession(req, data)
    if (seen) this.#seen.set(created, seen)
    return created
  }

  async #load(sid: string): Promise<session.SessionData | null> {
    const loaded = await this.#store.load(tokenOf(sid))
    if (loaded === null) return null
    const data: session.SessionData = JSON.parse(JSON.stringify(loaded.record.data))
    this.#seen.set(data, textsOf(data))
    return data
  }

  async #save(sid: string, session: session.SessionData): Promise<void> {
    const token = tokenOf(sid)
    const now = textsOf(session)
    const expiresAt = this.#expiryOf(session)
    let seen = this.#seen.get(session)
    if (seen === undefined) {
      const record = { data: dataOf(now), createdAt: Date.now(), expiresAt }
      if ((await this.#store.createAs(token, record)) === null) {
        const stands = await this.#store.load(token)
        seen = textsOf(stands?.record.data ?? {})
      }
    }
    if (seen !== undefined) {
      const { status } = await this.#store.update(token, { ...changeFrom(seen, now), expiresAt })
      if (status === 'gone') throw gone()
    }
    this.#seen.set(session, now)
  }

  #expiryOf({ cookie }: session.SessionData): number {
    return cookie.expires ? new Date(cookie.expires).getTime() : Date.now() + this.#idleTimeout
  }
}

/** The id is a bearer's secret there, and need not have the form of a token here. */
function tokenOf(sid: string): string {
  return createHash('sha256').update(`sojourn:express-session:${sid}`).digest('base64url')
}

function textsOf(data: object): Texts {
  const plain: Record<string, unknown> = JSON.parse(JSON.stringify(data))
  return new Map(Object.entries(plain).map(([key, value]) => [key, JSON.stringify(value)]))
}

function dataOf(texts: Iterable<readonly [string, string]>): Record<string, unknown> {
  return Object.fromEntries([...texts].map(([key, text]) => [key, JSON.parse(text)]))
}

function changeFrom(before: Texts, now: Texts): SessionChange {
  const changed = [...now].filter(([key, text]) => before.get(key) !== text)
  return { set: dataOf(changed), remove: [...before.keys()].filter(key => !now.has(key)) }
}

/** Outside the promise: what the callback throws is its caller's, as with every other store. */
function answer<T>(work: Promise<T>, callback: (error?: unknown, value?: T) => void): void {
  work.then(
    value => setImmediate(() => callback(null, value)),
    (error: unknown) => setImmediate(() => callback(error)),
  )
}

function namesSessions(store: SessionStore): store is SessionStore & NamedSessions {
  return store.supports.namedSessions === true
}

function gone(): SessionError {
  return new SessionError(
    'ERR_SESSION_GONE',
    'The session ended, by sign-out or expiry, while this request was changing it. Nothing was stored.',
    { status: 409 },
  )
}
