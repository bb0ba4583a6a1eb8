/** Every code that a `SessionError` can have. They are stable: match on them, never on messages. */
export type SessionErrorCode =
  /** 503: the store did not answer within `storeTimeout`, or answered with an error. */
  | 'ERR_SESSION_STORE_UNAVAILABLE'
  /** 500: what the store holds for this session is damaged. */
  | 'ERR_SESSION_CORRUPT'
  /** 409: the session ended, by sign-out or expiry, while this request was changing it. */
  | 'ERR_SESSION_GONE'
  /** 409: the user has as many sessions as may be, and `onMaxPerUser` is `refuse`. */
  | 'ERR_SESSION_LIMIT'
  /** 409: a guarded change lost against another one. */
  | 'ERR_SESSION_CONFLICT'
  /** 500: the session was changed after the response had begun. */
  | 'ERR_SESSION_COMMITTED'
  /** 500: a value that JSON can't hold; the message has its key path. */
  | 'ERR_SESSION_VALUE'
  /** 500: the cookie would be larger than browsers accept. */
  | 'ERR_SESSION_COOKIE_TOO_LARGE'
  /** Start: no secret, or one that is known or short, in production. */
  | 'ERR_SESSION_SECRET'
  /** Start: a setting that can't work, or is not safe. */
  | 'ERR_SESSION_SETTING'
  /** Start: the package of the chosen store is not installed, or is no store. */
  | 'ERR_SESSION_STORE_MISSING'
  /** Start, and 503: the folder can't be used, or not any more. */
  | 'ERR_SESSION_DIRECTORY'

export interface SessionErrorOptions {
  /** HTTP status for frameworks; 500 if absent. */
  readonly status?: number
  /** For events: one stable word for why a store failed, such as `timeout` or `full`. */
  readonly reason?: string | undefined
  readonly cause?: unknown
}

/** The one error class of Sojourn. No message contains a secret, an id or anything of a session's content. */
export class SessionError extends Error {
  readonly code: SessionErrorCode
  /** HTTP status; Express and Koa answer with it. */
  readonly status: number
  /** Why the store failed, in one stable word, where it says so. */
  readonly reason: string | undefined
  /** Koa's and http-errors' word: may a client read the message? */
  readonly expose: boolean

  constructor(code: SessionErrorCode, message: string, options: SessionErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = 'SessionError'
    this.code = code
    this.status = options.status ?? 500
    this.reason = options.reason
    this.expose = this.status < 500
  }
}

/** The code of an error that has one: of the system, of Node, or ours. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined
}

/** For what another process may have done just before. */
export function ignoring(...codes: string[]): (error: unknown) => undefined {
  return error => {
    if (!codes.includes(codeOf(error) ?? '')) throw error
  }
}

/** Narrows by `code`, so that it holds across two copies of this package in one process. */
export function isSessionError(error: unknown): error is SessionError {
  return (
    error instanceof Error &&
    error.name === 'SessionError' &&
    codeOf(error)?.startsWith('ERR_SESSION_') === true
  )
}

/** True if what the store holds for this session is damaged, and will be. */
export function isDamaged(error: unknown): boolean {
  return isSessionError(error) && error.code === 'ERR_SESSION_CORRUPT'
}

/** @internal Turns what a store threw into the error of a request; a `SessionError` stays what it is. */
export function unavailable(cause: unknown): SessionError {
  if (isSessionError(cause)) return cause
  return new SessionError(
    'ERR_SESSION_STORE_UNAVAILABLE',
    'The session store did not do what it was asked; the cause says why. Check that it is up, reachable and has space left.',
    { status: 503, cause, reason: reasonOf(cause) },
  )
}

/** Of an error of the system. */
function reasonOf(cause: unknown): string | undefined {
  const code = codeOf(cause)
  if (code === 'ENOSPC' || code === 'EDQUOT') return 'full'
  return code === 'EROFS' ? 'readonly' : undefined
}
