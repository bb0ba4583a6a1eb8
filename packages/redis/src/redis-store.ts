import { randomUUID } from 'node:crypto'
import type { SessionRecord, SessionStore, StoreContext, StoreHealth } from '@sojourn/core'
import { KeyvStore } from '@sojourn/keyv'
import { hasJustExpired } from './apply-change.ts'
import { connectionFrom, isClient, type RedisConnection, type RedisTls, tlsFrom } from './connection.ts'
import { dangers, tryOut } from './health.ts'
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

/** For selection: connects at once, so that servers which can't be used fail the start. */
export async function openStore({ settings, env }: StoreContext): Promise<SessionStore> {
  const { keyPrefix, storeTimeout: timeout } = settings
  const store = redisStore(connectionFrom(env), { keyPrefix, timeout, tls: tlsFrom(env) })
  try {
    await store.health()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class RedisStore extends KeyvStore {
  readonly #adapter: RedisAdapter
  readonly #link: Link

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

  /** Redis has ended what is not: the clock that counts is the server's. */
  protected override isLive({ expiresAt }: SessionRecord): boolean {
    return !hasJustExpired(Date.now() - expiresAt, this.#link.longestWay)
  }

  override async health(): Promise<StoreHealth> {
    const tried = tryOut(this.#adapter, this.keyOf(`health-${randomUUID()}`))
    const [health, warnings, trouble] = await Promise.all([super.health(), dangers(this.#link), tried])
    return { ...health, warnings: [...trouble, ...warnings], location: this.#link.at }
  }
}
