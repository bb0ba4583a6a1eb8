/**
 * What a session store holds for one session.
 *
 * `data` is what JSON can hold, and only that: core checks it before a store ever sees it.
 */
export interface SessionRecord {
  readonly data: Readonly<Record<string, unknown>>
  /** Whom the session belongs to; absent until somebody signed in. */
  readonly userId?: string
  /** Epoch ms of the sign-in, or of the first write of an anonymous session. */
  readonly createdAt: number
  /** Epoch ms, absolute. From this millisecond on the session is absent. */
  readonly expiresAt: number
  /** What the application noted at the sign-in, for lists of the user's sessions; small, and what JSON can hold. */
  readonly metadata?: Readonly<Record<string, unknown>>
}

/** A record as it stood when it was read. `version` is opaque and changes at every write. */
export interface Loaded {
  readonly record: SessionRecord
  readonly version: string
}

/**
 * What one request did to a session, as opposed to what the session now is: keys that this change does not
 * name keep whatever value they have by the time the store applies it.
 */
export interface SessionChange {
  /** Keys to set, each whole: a store never merges inside a value. */
  readonly set?: Readonly<Record<string, unknown>>
  /** Keys to remove. Removing what is not there is no error. */
  readonly remove?: readonly string[]
  /** The new expiry in epoch ms. In the past, it ends the session: the answer is still `written`. */
  readonly expiresAt?: number
  /** Guard: apply only if the session still has this version. */
  readonly expectedVersion?: string
  /** Guard: apply only if each of these keys still has this value; `undefined` means "is not there". */
  readonly expectedValues?: Readonly<Record<string, unknown>>
}

/** The write is acknowledged. `token` is the one that loads the session from now on. */
export interface Written {
  readonly status: 'written'
  readonly token: string
  readonly version: string
}

/** Nothing was written: there is no such session, or there is none any more. */
export interface Gone {
  readonly status: 'gone'
}

/** Nothing was written: a guard of the change did not hold. `current` is what stands instead. */
export interface Conflict {
  readonly status: 'conflict'
  readonly current: Loaded
}

/** What a store can promise. Core never promises more. */
export interface StoreAbilities {
  /** Another process sees the same sessions. */
  readonly sharedAcrossProcesses: boolean
  /** A destroyed session can't be loaded again, not even with a copy of its token. */
  readonly revocation: boolean
  /** `update` is one atomic step for all processes that use the store. */
  readonly atomicUpdate: boolean
  /** The store also implements `UserIndex`. */
  readonly userIndex: boolean
  /** The store also implements `Eviction`: it may end a live session to stay under a limit. */
  readonly eviction?: boolean
  /**
   * The store counts a session's life by a clock of its own, from each write on, so that those of the processes don't
   * matter: `expiresAt` is to it how long the session lives, by the clock of whoever writes.
   */
  readonly ownClock?: boolean
  /** The store also implements `NamedSessions`. */
  readonly namedSessions?: boolean
  /** The token is the session, and so another one after every write. The store also implements `SelfContained`. */
  readonly selfContained?: boolean
}

export interface StoreHealth {
  readonly store: string
  readonly reachable: boolean
  /** Milliseconds for one round trip to wherever the sessions are. */
  readonly latency: number
  /** What endangers sessions here, as `what is wrong: what to do`; empty when all is well. */
  readonly warnings: readonly string[]
  /**
   * Where the sessions are, as the end of a sentence, if that is worth a word at start: `in /srv/sessions`, `at
   * host:6379`. Never with a password.
   */
  readonly location?: string
  /**
   * What operators want to know of it, such as `{ version: '7.2.4' }`. `clockDifference` is by how many milliseconds its
   * clock is ahead of this process's.
   */
  readonly details?: Readonly<Record<string, string | number>>
}

/**
 * Keeps sessions. A store exchanges *tokens*: for a store with a server side the token is the session's id, for
 * a cookie store it is the session itself. Core signs tokens before a browser sees them.
 *
 * A store is dumb: no cookies, no policy, and no clock of its own beyond "is it past `expiresAt`".
 * A method that can't reach its medium throws; it never answers `null` or `gone` for that.
 * `@sojourn/conformance` checks all that is said here.
 */
export interface SessionStore {
  /** Short and stable, such as `redis`. It is part of what a token's signature covers. */
  readonly name: string
  readonly supports: StoreAbilities
  /**
   * The session of this token, or `null` if there is none: never created, destroyed, expired, or the token is
   * malformed. Any string is harmless.
   */
  load(token: string): Promise<Loaded | null>
  /** Keeps a new session under a new token that nobody can guess. Never touches an existing session. */
  create(record: SessionRecord, options?: CreateOptions): Promise<Written>
  /** Applies a change, in one atomic step, to what stands there by then. Never creates. */
  update(token: string, change: SessionChange): Promise<Written | Gone | Conflict>
  /** Ends the session for good. Ending what is not there is no error. Acknowledged only when it is effective. */
  destroy(token: string): Promise<void>
  health(): Promise<StoreHealth>
  /** Frees what the store holds. Repeated calls are no error. */
  close(): Promise<void>
}

/** For the session of a user, in a store whose `supports.userIndex` is true; others need not look at it. */
export interface CreateOptions {
  /** Epoch ms that the expiry will never pass, whatever the use; without it a store takes 400 days. */
  readonly lastExpiry?: number
  /**
   * The session that this one goes on from, which was ended just now. If it is the same user's, the new one has its place
   * among the user's sessions: the limit does not count it, and if `destroyByUser` came in between, `create` throws
   * ERR_SESSION_GONE.
   */
  readonly replaces?: { readonly token: string; readonly userId: string }
  /** Most live sessions of the user, this one included; absent or 0 is no limit. In all processes, at any moment. */
  readonly maxPerUser?: number
  /** With one too many, the user's oldest sign-ins end, or `create` throws ERR_SESSION_LIMIT. Default: `end-oldest`. */
  readonly onMaxPerUser?: 'end-oldest' | 'refuse'
}

/** One session of a user. */
export interface UserSession {
  readonly token: string
  readonly record: SessionRecord
}

/** The sessions of one user: implemented by a store whose `supports.userIndex` is true. */
export interface UserIndex {
  /** All live sessions of the user, each once, while they are read: never all of them in memory. */
  listByUser(userId: string): AsyncIterable<UserSession>
  /**
   * Ends all sessions of the user but those named; the number that it ended. Acknowledged only when none that was
   * created before the call can be loaded.
   */
  destroyByUser(userId: string, options?: { readonly except?: readonly string[] }): Promise<number>
}

/**
 * Implemented by a store whose `supports.eviction` is true. Between `hold` and `release` the store does not
 * evict the session, in whichever process the eviction runs. Calls nest; both are cheap and never throw.
 */
export interface Eviction {
  hold(token: string): void
  release(token: string): void
}

/** Implemented by a store whose `supports.namedSessions` is true: for sessions that began elsewhere, and have an id from there. */
export interface NamedSessions {
  /**
   * Keeps a new session under this token, which has the form of those that `create` makes; `null`, and nothing written, if there
   * is one under it.
   */
  createAs(token: string, record: SessionRecord, options?: CreateOptions): Promise<Written | null>
}

/** Implemented by a store whose `supports.selfContained` is true. */
export interface SelfContained {
  /**
   * What names the session of this token as long as it lives; the token itself if nothing does. `destroy` takes it as well, and the
   * methods of a `UserIndex` give and take it instead of tokens.
   */
  idOf(token: string): string
  /** @throws SessionError ERR_SESSION_COOKIE_TOO_LARGE if no token can hold the record */
  assertFits(record: SessionRecord): Promise<void>
}

/** True if the token is the session. */
export function isSelfContained(store: SessionStore): store is SessionStore & SelfContained {
  return store.supports.selfContained === true
}

/** What names the session of this token as long as it lives. */
export function idOf(store: SessionStore, token: string): string {
  return isSelfContained(store) ? store.idOf(token) : token
}

/** True if the store keeps sessions under tokens that are given. */
export function createsAs(store: SessionStore): store is SessionStore & NamedSessions {
  return store.supports.namedSessions === true
}

/** True if the store may evict live sessions, and so wants to know which ones requests are using. */
export function evicts(store: SessionStore): store is SessionStore & Eviction {
  return store.supports.eviction === true
}

/** True if the store can answer for all sessions of a user. */
export function hasUserIndex(store: SessionStore): store is SessionStore & UserIndex {
  return store.supports.userIndex
}
