import type {
  Conflict,
  Gone,
  Loaded,
  SelfContained,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreContext,
  StoreHealth,
  Written,
} from '@sojourn/core'
import {
  applyChange,
  guardsHold,
  maxCookieBytes,
  SessionError,
  signatureLength,
  tooLarge,
} from '@sojourn/core/store-kit'
import { decodeRecord, encodeRecord } from './record-text.ts'
import { assertRevokes, RevocableCookieStore, registeredIdLength } from './revocable-cookie-store.ts'
import { type SealOptions, sealKeys } from './seal-keys.ts'
import { readable, sealed, type Wrapping } from './wrapping.ts'

export interface CookieStoreOptions extends SealOptions {
  /** Encrypt the session too, so that whoever has the cookie can't read it. Default false: signed only. */
  readonly sealed?: boolean
  /**
   * Where each session has an entry without its data, such as `redisStore(url)`: what is signed out, here or with
   * `sessions.ofUser`, is then ended for copies of its cookie too, at the price of one look at each load. Closed with this store.
   */
  readonly revocation?: SessionStore
}

/**
 * Sessions that live in the browser's cookie and nowhere else: the token *is* the session. Without `revocation` nothing can take a
 * token back, so a copy of one works until the expiry inside it. Of parallel changes the last Set-Cookie wins.
 *
 * @throws SessionError ERR_SESSION_SECRET if it is to seal and there is no secret, and ERR_SESSION_SETTING if `revocation` can't
 * end sessions
 */
export function cookieStore(options: CookieStoreOptions = {}): SessionStore {
  const { cookieName = '__Host-sid', revocation } = options
  if (revocation) assertRevokes(revocation)
  const room = maxCookieBytes - cookieName.length - (revocation ? registeredIdLength : 0)
  const store = options.sealed
    ? new CookieStore('sealed-cookie', sealed(sealKeys(options, process.env)), room)
    : new CookieStore('signed-cookie', readable, room)
  return revocation ? new RevocableCookieStore(store, revocation) : store
}

/** For `SESSION_STORE=cookie`; with `SESSION_COOKIE_SEALED=1` the cookie is encrypted too. */
export function openStore({ settings, env, deriveKeys }: StoreContext): SessionStore {
  const room = maxCookieBytes - settings.cookie.name.length
  return isOn(env.SESSION_COOKIE_SEALED)
    ? new CookieStore('sealed-cookie', sealed(deriveKeys('seal')), room)
    : new CookieStore('signed-cookie', readable, room)
}

/** Whoever writes `yes` wants it sealed, and must not find out later that it was not. */
function isOn(value: string | undefined): boolean {
  if (value === '1' || value === 'true') return true
  if (value === undefined || ['', '0', 'false'].includes(value)) return false
  throw new SessionError('ERR_SESSION_SETTING', 'SESSION_COOKIE_SEALED must be 1 or 0.')
}

class CookieStore implements SessionStore, SelfContained {
  readonly name: string
  readonly supports = {
    sharedAcrossProcesses: true,
    revocation: false,
    atomicUpdate: false,
    userIndex: false,
    selfContained: true,
  }
  readonly #wrapping: Wrapping
  readonly #room: number

  /** @param room bytes for the token and its signature */
  constructor(name: string, wrapping: Wrapping, room: number) {
    this.name = name
    this.#wrapping = wrapping
    this.#room = room - signatureLength
  }

  async load(token: string): Promise<Loaded | null> {
    const text = await this.#wrapping.unwrap(token)
    const loaded = text === null ? null : decodeRecord(text)
    return loaded !== null && loaded.record.expiresAt > Date.now() ? loaded : null
  }

  async create(record: SessionRecord): Promise<Written> {
    return this.#write(record)
  }

  async update(token: string, change: SessionChange): Promise<Written | Gone | Conflict> {
    const current = await this.load(token)
    if (current === null) return { status: 'gone' }
    const { record, version } = current
    if (!guardsHold(record.data, version, change)) return { status: 'conflict', current }
    const expiresAt = change.expiresAt ?? record.expiresAt
    return this.#write({ ...record, data: applyChange(record.data, change), expiresAt })
  }

  /** The browser is told to forget the cookie, by core; there is nothing else to end. */
  async destroy(): Promise<void> {}

  idOf(token: string): string {
    return token
  }

  async assertFits(record: SessionRecord): Promise<void> {
    await this.#write(record)
  }

  async health(): Promise<StoreHealth> {
    return { store: this.name, reachable: true, latency: 0, warnings: [] }
  }

  async close(): Promise<void> {}

  async #write(record: SessionRecord): Promise<Written> {
    const { text, version } = encodeRecord(record)
    const token = await this.#wrapping.wrap(text)
    if (token.length > this.#room) throw tooLarge(token.length + maxCookieBytes - this.#room)
    return { status: 'written', token, version }
  }
}
