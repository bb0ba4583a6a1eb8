import { randomUUID } from 'node:crypto'
import type { SessionRecord, SessionStore, StoreContext, StoreHealth } from '@sojourn/core'
import { KeyvStore } from '@sojourn/keyv'
import { connectionFrom, isClient, type RedisConnection, type RedisTls, tlsFrom } from './connection.ts'
import { examine, tryOut } from './health.ts'
import { Link } from './link.ts'
import { RedisAdapter } from './redis-adapter.ts'
import { serversOf } from './servers.ts'

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
): SessionStore {
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

class RedisStore extends KeyvStore {
  readonly #adapter: RedisAdapter
  readonly #link: Link
  #isTried = false

  constructor(
    connection: RedisConnection,
    { keyPrefix = 'session:', timeout = 2000, tls }: RedisStoreOptions,
  ) {
    const link = new Link(serversOf(connection, { timeout, tls }), timeout)
    const adapter = new RedisAdapter(link)
    super(adapter, { name: 'redis', keyPrefix, sharedAcrossProcesses: true, ownClock: true })
    this.#adapter = adapter
    this.#link = link
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
    const [health, found, trouble] = await Promise.all([super.health(), examine(this.#link), tried])
    this.#isTried = true
    const warnings = [...new Set([...trouble, ...found.warnings])]
    return { ...health, warnings, location: this.#link.at, details: found.details }
  }
}
