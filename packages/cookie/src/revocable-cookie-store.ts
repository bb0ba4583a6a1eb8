import type {
  Conflict,
  CreateOptions,
  Eviction,
  Gone,
  Loaded,
  SelfContained,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreAbilities,
  StoreHealth,
  UserIndex,
  UserSession,
  Written,
} from '@sojourn/core'
import { evicts, hasUserIndex, SessionError } from '@sojourn/core/store-kit'

/** Between the id and the cookie store's own token, neither of which has it. */
const separator = '~'
/** Of what comes before that token: an id as our stores make it, and the separator. */
export const registeredIdLength = 44

/**
 * A cookie store whose sessions can be ended: each has an entry in another store, the register, which holds all but its data.
 * Without its entry a session is absent. The token is the entry's, and the session.
 */
export class RevocableCookieStore implements SessionStore, SelfContained, UserIndex, Eviction {
  readonly name: string
  readonly supports: StoreAbilities
  readonly #cookies: SessionStore & SelfContained
  readonly #register: SessionStore

  constructor(cookies: SessionStore & SelfContained, register: SessionStore) {
    const { sharedAcrossProcesses, userIndex, eviction = false } = register.supports
    this.name = cookies.name
    this.supports = { ...cookies.supports, sharedAcrossProcesses, revocation: true, userIndex, eviction }
    this.#cookies = cookies
    this.#register = register
  }

  async load(token: string): Promise<Loaded | null> {
    const [id, session] = split(token)
    const loaded = await this.#cookies.load(session)
    const entry = loaded && (await this.#register.load(id))
    return entry && loaded && noted(loaded, entry)
  }

  /** What is too large must not have an entry. */
  async create(record: SessionRecord, { replaces, ...options }: CreateOptions = {}): Promise<Written> {
    const session = await this.#cookies.create(record)
    const replaced = replaces && { replaces: { ...replaces, token: this.idOf(replaces.token) } }
    const entry = await this.#register.create({ ...record, data: {} }, { ...options, ...replaced })
    return { ...session, token: joined(entry.token, session.token) }
  }

  async update(token: string, change: SessionChange): Promise<Written | Gone | Conflict> {
    const [id, session] = split(token)
    const entry = await this.#register.load(id)
    if (entry === null) return { status: 'gone' }
    const outcome = await this.#cookies.update(session, change)
    if (outcome.status === 'gone') return outcome
    if (outcome.status === 'conflict') return { ...outcome, current: noted(outcome.current, entry) }
    const { expiresAt } = change
    if (expiresAt !== undefined) {
      const { status } = await this.#register.update(id, { expiresAt })
      if (status === 'gone') return { status }
    }
    return { ...outcome, token: joined(id, outcome.token) }
  }

  destroy(token: string): Promise<void> {
    return this.#register.destroy(this.idOf(token))
  }

  idOf(token: string): string {
    const [id] = split(token)
    return id
  }

  assertFits(record: SessionRecord): Promise<void> {
    return this.#cookies.assertFits(record)
  }

  async *listByUser(userId: string): AsyncGenerator<UserSession, void> {
    if (hasUserIndex(this.#register)) yield* this.#register.listByUser(userId)
  }

  async destroyByUser(
    userId: string,
    { except = [] }: { readonly except?: readonly string[] } = {},
  ): Promise<number> {
    if (!hasUserIndex(this.#register)) return 0
    return this.#register.destroyByUser(userId, { except: except.map(token => this.idOf(token)) })
  }

  hold(token: string): void {
    if (evicts(this.#register)) this.#register.hold(this.idOf(token))
  }

  release(token: string): void {
    if (evicts(this.#register)) this.#register.release(this.idOf(token))
  }

  async health(): Promise<StoreHealth> {
    return { ...(await this.#register.health()), store: this.name }
  }

  close(): Promise<void> {
    return this.#register.close()
  }
}

/** With what was noted at the sign-in, which is in the entry alone. */
function noted(loaded: Loaded, { record: { metadata } }: Loaded): Loaded {
  return metadata === undefined ? loaded : { ...loaded, record: { ...loaded.record, metadata } }
}

/** @throws SessionError ERR_SESSION_SETTING if sessions can't be ended in that store */
export function assertRevokes({ name, supports }: SessionStore): void {
  if (supports.revocation && !supports.selfContained) return
  throw new SessionError(
    'ERR_SESSION_SETTING',
    `The cookie store's revocation can't be the store ${name}, in which nothing can be ended. Use Redis, the filesystem or a Keyv adapter.`,
  )
}

function joined(id: string, session: string): string {
  if (id.length < registeredIdLength) return `${id}${separator}${session}`
  throw new SessionError(
    'ERR_SESSION_SETTING',
    `The tokens of the store that is the cookie store's revocation are longer than ${registeredIdLength - 1} characters.`,
  )
}

/** An id alone has no session. */
function split(token: string): [id: string, session: string] {
  const at = token.lastIndexOf(separator)
  return at < 0 ? [token, ''] : [token.slice(0, at), token.slice(at + 1)]
}
