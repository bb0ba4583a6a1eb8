import { randomUUID } from 'node:crypto'
import type {
  CreateOptions,
  SessionRecord,
  SessionStore,
  StoreAbilities,
  StoreContext,
  StoreHealth,
  UserIndex,
  UserSession,
  Written,
} from '@sojourn/core'
import { handleOf, isId, isSessionError, newId } from '@sojourn/core/store-kit'
import { encodeRecord, KeyvStore, userIn } from '@sojourn/keyv'
import { connectionFrom, isClient, type RedisConnection, type RedisTls, tlsFrom } from './connection.ts'
import { examine, tryOut } from './health.ts'
import { Link } from './link.ts'
import { RedisAdapter } from './redis-adapter.ts'
import { serversOf } from './servers.ts'
import { redisUnavailable } from './trouble.ts'
import { RedisUserIndex } from './user-index.ts'

export interface RedisStoreOptions {
  /** Before each id; the default is `session:`. */
  readonly keyPrefix?: string
  /** Longest wait, in milliseconds, for a command's answer and for a connection. Default 2000. */
  readonly timeout?: number
  /** Certificates for `rediss://`. */
  readonly tls?: RedisTls | undefined
}

/**
 * Sessions in Redis or Valkey: one round trip to load, create, update or destroy. It connects when it is first used,
 * and again whenever the connection breaks. The options may also stand beside the connection's.
 *
 * @throws SessionError ERR_SESSION_SETTING if the connection can't be understood
 */
export function redisStore(
  connection: RedisConnection | (Exclude<RedisConnection, string> & RedisStoreOptions),
  options: RedisStoreOptions = {},
): SessionStore & UserIndex {
  if (typeof connection !== 'object' || isClient(connection)) return new RedisStore(connection, options)
  const { keyPrefix, timeout, tls, ...rest }: typeof connection & RedisStoreOptions = connection
  const beside = {
    ...(keyPrefix !== undefined && { keyPrefix }),
    ...(timeout !== undefined && { timeout }),
    ...(tls !== undefined && { tls }),
  }
  return new RedisStore(rest, { ...beside, ...options })
}

/** For selection, which asks for its health next. */
export function openStore({ settings, env }: StoreContext): SessionStore {
  const { keyPrefix, storeTimeout: timeout } = settings
  return redisStore(connectionFrom(env), { keyPrefix, timeout, tls: tlsFrom(env) })
}

class RedisStore extends KeyvStore implements UserIndex {
  override readonly supports: StoreAbilities = {
    sharedAcrossProcesses: true,
    revocation: true,
    atomicUpdate: true,
    userIndex: true,
    ownClock: true,
    namedSessions: true,
  }
  readonly #adapter: RedisAdapter
  readonly #link: Link
  readonly #users: RedisUserIndex
  #isTried = false

  constructor(
    connection: RedisConnection,
    { keyPrefix = 'session:', timeout = 2000, tls }: RedisStoreOptions,
  ) {
    const link = new Link(serversOf(connection, { timeout, tls }), timeout)
    const adapter = new RedisAdapter(link)
    super(adapter, { name: 'redis', keyPrefix, sharedAcrossProcesses: true })
    this.#adapter = adapter
    this.#link = link
    this.#users = new RedisUserIndex(link, adapter, name => this.keyOf(name))
  }

  override async create(record: SessionRecord, options?: CreateOptions): Promise<Written> {
    if (record.userId === undefined) return super.create(record)
    const token = newId()
    // Where that can't be, somebody has ended all sessions of the user, this one too.
    return (await this.createAs(token, record, options)) ?? { status: 'written', token, version: '1' }
  }

  override async createAs(
    token: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<Written | null> {
    const { userId, expiresAt } = record
    if (userId === undefined) return super.createAs(token, record)
    const text = encodeRecord(record, 1)
    const begun = performance.now()
    await this.#users.add(userId, token, expiresAt - Date.now(), options)
    // Who asked has been answered by now, and must not find it done.
    if (performance.now() - begun >= this.#link.longestWay) throw redisUnavailable('timeout', this.#link.at)
    const created = await this.#adapter.createIfAbsent(this.keyOf(token), text, expiresAt)
    return created ? { status: 'written', token, version: '1' } : null
  }

  override async destroy(token: string): Promise<void> {
    const head = isId(token) ? await this.#adapter.end(this.keyOf(token), 0) : undefined
    const userId = head === undefined ? undefined : userIn(head)
    if (userId !== undefined) await this.#users.drop(userId, [handleOf(token)])
  }

  async *listByUser(userId: string): AsyncGenerator<UserSession, void> {
    for await (const { now, entries } of this.#users.pages(userId)) {
      const loaded = await Promise.all(entries.map(({ token }) => this.load(token).catch(damagedOrThrow)))
      const gone = entries.filter(({ settled }, at) => loaded[at] === null && settled <= now)
      await this.#users.drop(
        userId,
        gone.map(({ handle }) => handle),
      )
      for (const [at, { token }] of entries.entries()) {
        const record = loaded[at]?.record
        if (record !== undefined) yield { token, record }
      }
    }
  }

  destroyByUser(
    userId: string,
    { except = [] }: { readonly except?: readonly string[] } = {},
  ): Promise<number> {
    return this.#users.endAll(userId, except)
  }

  /**
   * Redis has ended what is not: the clock that counts is the server's. But it counts a life from when it was told, so what
   * has just expired by the clock here is asked about: if it is about to end there too, it has.
   */
  protected override isLive({ expiresAt }: SessionRecord, key: string): boolean | Promise<boolean> {
    const late = Date.now() - expiresAt
    const { longestWay } = this.#link
    if (late < 0 || late >= longestWay) return true
    // From one write to the next this sum is the same: how long that was on its way, and how far the clocks are apart.
    return this.#adapter.life(key).then(life => late + life > longestWay)
  }

  override async health(): Promise<StoreHealth> {
    const tried = tryOut(this.#adapter, this.keyOf(`health-${randomUUID()}`), !this.#isTried)
    const [health, found, trouble] = await Promise.all([
      super.health(),
      examine(this.#link),
      tried,
      this.#isTried || this.#users.tryOut(`health-${randomUUID()}`).catch(unlessFull),
    ])
    this.#isTried = true
    const warnings = [...new Set([...trouble, ...found.warnings])]
    return { ...health, warnings, location: this.#link.at, details: found.details }
  }
}

/** Of which the try-out of a session tells. */
function unlessFull(error: unknown): void {
  if (!isSessionError(error) || error.reason !== 'full') throw error
}

/** One that can't be read is not listed; it can be ended. */
function damagedOrThrow(error: unknown): undefined {
  if (!isSessionError(error) || error.code !== 'ERR_SESSION_CORRUPT') throw error
}
