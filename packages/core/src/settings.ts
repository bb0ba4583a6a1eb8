import { type CookieOptions, type CookieSettings, cookieSettings } from './cookies.ts'
import { longestTimer } from './deadline.ts'
import { SessionError } from './errors.ts'
import type { FormerSessions } from './former-sessions.ts'
import type { SessionStore } from './store.ts'

/** Where Sojourn says what it chose and what worries it. `console` fits. */
export interface Logger {
  info(message: string): void
  warn(message: string): void
  error(message: string): void
}

/** Environment variables, as in `process.env`. */
export type Environment = Readonly<Record<string, string | undefined>>

/** What a key that two requests changed at once does: the last commit wins, or the later one gets a 409. */
export type ConflictPolicy = 'last-wins' | 'reject'

/**
 * What a request gets whose session can't be loaded because the store is down: a 503, or to be served without a
 * session, read-only: it looks like a visitor's, changes are refused, and no cookie is set or cleared.
 */
export type StoreFailurePolicy = 'error' | 'anonymous'

/** What a sign-in does when the user has `maxPerUser` sessions: it ends the oldest, or is refused (409). */
export type UserLimitPolicy = 'end-oldest' | 'refuse'

/** All options of `openSessions`; each has the default that README's table gives. Durations are milliseconds. */
export interface SessionOptions {
  /** A store, or the name of one: `redis`, `filesystem`, `cookie`, `memory`, or a package with `openStore`. */
  readonly store?: SessionStore | string
  /** First signs, all verify. Default: `SECRET_KEY`, then the comma-separated `SECRET_KEY_FALLBACKS`. */
  readonly secret?: string | readonly string[]
  /** Whether the cookie outlives the browser, with a Max-Age as long as the session on the server. */
  readonly persistent?: boolean
  /** Ends a session so long after its last use. */
  readonly idleTimeout?: number
  /** Ends a session so long after the sign-in, whatever the use. */
  readonly absoluteTimeout?: number
  /** A session that is only read is written at most this often. */
  readonly touchInterval?: number
  /** Longest wait of a request for the store before it gets its 503. Each call of the session that succeeds gives it anew. */
  readonly storeTimeout?: number
  readonly keyPrefix?: string
  readonly cookie?: CookieOptions
  readonly conflict?: ConflictPolicy
  readonly onStoreFailure?: StoreFailurePolicy
  /** Most sessions that one user may have at a time; 0 is no limit. Needs a store with `supports.userIndex`. */
  readonly maxPerUser?: number
  readonly onMaxPerUser?: UserLimitPolicy
  /** Filesystem: most sessions before cleanup; 0 is no limit. */
  readonly threshold?: number
  /** Filesystem: the folder. */
  readonly directory?: string
  /** The store to take when Redis is chosen but unreachable at start. */
  readonly fallback?: 'filesystem'
  /** Sessions of another library, each taken over when its cookie comes first: nobody is signed out by the change to Sojourn. */
  readonly takeOver?: FormerSessions
  readonly logger?: Logger
  /** Instead of `process.env`. */
  readonly env?: Environment
}

/** The options with every default filled in. Contains no secret. */
export interface Settings {
  readonly production: boolean
  readonly persistent: boolean
  readonly idleTimeout: number
  readonly absoluteTimeout: number
  readonly touchInterval: number
  readonly storeTimeout: number
  readonly keyPrefix: string
  readonly cookie: CookieSettings
  readonly conflict: ConflictPolicy
  readonly onStoreFailure: StoreFailurePolicy
  readonly maxPerUser: number
  readonly onMaxPerUser: UserLimitPolicy
  readonly threshold: number
  readonly directory: string | undefined
}

const minute = 60_000
const day = 24 * 60 * minute

/** Every name that there is: the compiler misses a new one. */
const settingNames: Readonly<Record<keyof SessionOptions, true>> = {
  store: true,
  secret: true,
  persistent: true,
  idleTimeout: true,
  absoluteTimeout: true,
  touchInterval: true,
  storeTimeout: true,
  keyPrefix: true,
  cookie: true,
  conflict: true,
  onStoreFailure: true,
  maxPerUser: true,
  onMaxPerUser: true,
  threshold: true,
  directory: true,
  fallback: true,
  takeOver: true,
  logger: true,
  env: true,
}
const cookieNames: Readonly<Record<keyof CookieOptions, true>> = {
  name: true,
  httpOnly: true,
  secure: true,
  sameSite: true,
  path: true,
  domain: true,
}

/** What is misspelt, or another library's. */
export function unknownSettings(options: SessionOptions): string[] {
  const ofCookie = Object.keys(options.cookie ?? {}).filter(name => !Object.hasOwn(cookieNames, name))
  return [
    ...Object.keys(options).filter(name => !Object.hasOwn(settingNames, name)),
    ...ofCookie.map(name => `cookie.${name}`),
  ]
}

/** @throws SessionError ERR_SESSION_SETTING, naming the setting and what it may be. */
export function resolveSettings(options: SessionOptions, env: Environment): Settings {
  const production = env.NODE_ENV === 'production'
  const persistent = options.persistent ?? false
  const threshold = options.threshold ?? numberFrom(env, 'SESSION_FILE_THRESHOLD') ?? 1000
  if (!Number.isInteger(threshold) || threshold < 0) {
    throw badSetting('threshold', 'a whole number of sessions, or 0 for no limit')
  }
  const keyPrefix = options.keyPrefix ?? 'session:'
  if (Buffer.byteLength(keyPrefix) > 255) throw badSetting('keyPrefix', 'at most 255 bytes')
  const conflict = options.conflict ?? 'last-wins'
  if (conflict !== 'last-wins' && conflict !== 'reject')
    throw badSetting('conflict', "'last-wins' or 'reject'")
  const onStoreFailure = options.onStoreFailure ?? 'error'
  if (onStoreFailure !== 'error' && onStoreFailure !== 'anonymous')
    throw badSetting('onStoreFailure', "'error' or 'anonymous'")
  const maxPerUser = options.maxPerUser ?? 0
  if (!Number.isInteger(maxPerUser) || maxPerUser < 0)
    throw badSetting('maxPerUser', 'a whole number of sessions, or 0 for no limit')
  const onMaxPerUser = options.onMaxPerUser ?? 'end-oldest'
  if (onMaxPerUser !== 'end-oldest' && onMaxPerUser !== 'refuse')
    throw badSetting('onMaxPerUser', "'end-oldest' or 'refuse'")
  const settings = {
    production,
    persistent,
    idleTimeout: duration('idleTimeout', options.idleTimeout, day),
    absoluteTimeout: duration('absoluteTimeout', options.absoluteTimeout, 30 * day),
    touchInterval: duration('touchInterval', options.touchInterval, minute, 0),
    storeTimeout: duration('storeTimeout', options.storeTimeout, 2000),
    keyPrefix,
    cookie: cookieSettings(options.cookie ?? {}, production),
    conflict,
    onStoreFailure,
    maxPerUser,
    onMaxPerUser,
    threshold,
    directory: options.directory ?? (env.SESSION_DIR || undefined),
  }
  if (settings.storeTimeout > longestTimer) throw badSetting('storeTimeout', `at most ${longestTimer} ms`)
  return Object.freeze(settings)
}

export function badSetting(name: string, may: string): SessionError {
  return new SessionError('ERR_SESSION_SETTING', `The session setting ${name} must be ${may}.`)
}

function duration(name: string, value: number | undefined, fallback: number, least = 1): number {
  if (value === undefined) return fallback
  if (!Number.isFinite(value) || value < least)
    throw badSetting(name, `a number of milliseconds, at least ${least}`)
  return value
}

function numberFrom(env: Environment, name: string): number | undefined {
  const text = env[name]
  if (text === undefined || text === '') return undefined
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (Number.isNaN(value)) throw badSetting(name, 'a number')
  return value
}
