import type { SessionStore, StoreContext, StoreHealth } from '@sojourn/core'
import { KeyvStore } from '@sojourn/keyv'
import { connectionFrom, type RedisConnection, type RedisTls, tlsFrom } from './connection.ts'
import { dangers } from './health.ts'
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
 * and again whenever the connection breaks.
 */
export function redisStore(connection: RedisConnection, options: RedisStoreOptions = {}): SessionStore {
  return new RedisStore(connection, options)
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
  readonly #link: Link

  constructor(
    connection: RedisConnection,
    { keyPrefix = 'session:', timeout = 2000, tls }: RedisStoreOptions,
  ) {
    const link = new Link(serversOf(connection, { timeout, tls }), timeout)
    super(new RedisAdapter(link), { name: 'redis', keyPrefix, sharedAcrossProcesses: true })
    this.#link = link
  }

  override async health(): Promise<StoreHealth> {
    const [health, warnings] = await Promise.all([super.health(), dangers(this.#link)])
    return { ...health, warnings, location: this.#link.at }
  }
}
