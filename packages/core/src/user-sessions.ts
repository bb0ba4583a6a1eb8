import { SessionError, unavailable } from './errors.ts'
import { handleOf } from './ids.ts'
import { assertJson } from './json.ts'
import type { Session } from './session.ts'
import type { SessionRecord, SessionStore, UserIndex, UserSession } from './store.ts'
import { type Limits, lastUseOf } from './timeouts.ts'

/** Bytes of JSON. */
const mostMetadata = 1024

/** One session of a user, as a list shows it. Times are epoch ms. */
export interface SignedIn {
  /** Names the session, and is not its id: it may be shown. */
  readonly handle: string
  /** The sign-in. */
  readonly createdAt: number
  /** To within `touchInterval`; in a session's last `idleTimeout` before its absolute limit, this or later. */
  readonly lastUsedAt: number
  readonly expiresAt: number
  /** What the application noted: `regenerate({ userId, metadata })`. */
  readonly metadata: SessionRecord['metadata']
}

/** All sessions of one user, in whichever process and on whichever device: see `sessions.ofUser`. */
export class UserSessions {
  readonly #store: SessionStore & UserIndex
  readonly #userId: string
  readonly #limits: Limits

  /** @internal Use `sessions.ofUser`. */
  constructor(store: SessionStore & UserIndex, userId: string, limits: Limits) {
    assertUserId(userId)
    this.#store = store
    this.#userId = userId
    this.#limits = limits
  }

  /** The live ones, in no order, read as they are asked for. */
  async *list(): AsyncGenerator<SignedIn, void> {
    for await (const { token, record } of this.#sessions()) {
      const { createdAt, expiresAt, metadata } = record
      const lastUsedAt = lastUseOf(createdAt, expiresAt, this.#limits)
      yield { handle: handleOf(token), createdAt, lastUsedAt, expiresAt, metadata }
    }
  }

  /** How many live. */
  async count(): Promise<number> {
    let count = 0
    for await (const _ of this.#sessions()) count++
    return count
  }

  /** The handle by which lists name this request's session; `undefined` while it is not stored. */
  handleOf(session: Session): string | undefined {
    return session.id === undefined ? undefined : handleOf(session.id)
  }

  /** Ends one, for good; false if this user has none of that handle. */
  async destroy(handle: string): Promise<boolean> {
    for await (const { token } of this.#sessions()) {
      if (handleOf(token) !== handle) continue
      await this.#store.destroy(token).catch(rethrown)
      return true
    }
    return false
  }

  /**
   * Ends all of them, or all but the session of this request, and answers how many it ended. Then none that was signed in
   * before the call can be loaded anywhere. One that signs in meanwhile may stay, and is listed.
   */
  async destroyAll({ except }: { readonly except?: Session } = {}): Promise<number> {
    const id = except?.id
    return this.#store.destroyByUser(this.#userId, id === undefined ? {} : { except: [id] }).catch(rethrown)
  }

  async *#sessions(): AsyncGenerator<UserSession, void> {
    try {
      yield* this.#store.listByUser(this.#userId)
    } catch (error) {
      rethrown(error)
    }
  }
}

/** As an error of this library, with a status. */
function rethrown(error: unknown): never {
  throw unavailable(error)
}

/** @throws TypeError */
export function assertUserId(userId: unknown): asserts userId is string {
  if (typeof userId !== 'string' || userId === '')
    throw new TypeError('userId must be a non-empty string, such as String(user.id).')
}

/** @throws TypeError, or SessionError ERR_SESSION_VALUE if it holds what JSON can't */
export function assertMetadata(metadata: unknown): asserts metadata is Record<string, unknown> {
  if (typeof metadata !== 'object' || metadata === null || Array.isArray(metadata))
    throw new TypeError('metadata must be a plain object, such as { device, address }.')
  assertJson(metadata, 'metadata')
  if (Buffer.byteLength(JSON.stringify(metadata)) > mostMetadata)
    throw new TypeError(`metadata must be at most ${mostMetadata} bytes of JSON: note less at the sign-in.`)
}

export function tooManySessions(): SessionError {
  return new SessionError(
    'ERR_SESSION_LIMIT',
    "The user is signed in as often as maxPerUser allows, and the setting onMaxPerUser is 'refuse'. Sign out elsewhere first.",
    { status: 409 },
  )
}
