import KeyvRedis, {
  type createSentinel,
  type RedisClientConnectionType,
  type RedisClientOptions,
  type RedisClusterOptions,
} from '@keyv/redis'
import type { SessionStore, StoreContext, StoreHealth } from '@sojourn/core'
import { unavailable } from '@sojourn/core/store-kit'
import { KeyvStore } from '@sojourn/keyv'
import { RedisAdapter } from './redis-adapter.ts'

/** A URL (`redis://`, `rediss://`), options of node-redis, or a node-redis client, cluster or sentinel of your own. */
export type RedisConnection =
  | string
  | RedisClientOptions
  | RedisClusterOptions
  | Parameters<typeof createSentinel>[0]
  | RedisClientConnectionType

export interface RedisStoreOptions {
  /** Before each id; the default is `session:`. */
  readonly keyPrefix?: string
  /** Milliseconds to wait for a connection. Default 2000. */
  readonly connectTimeout?: number
}

/** Sessions in Redis or Valkey: one round trip to load, create, update or destroy. */
export function redisStore(connection: RedisConnection, options: RedisStoreOptions = {}): SessionStore {
  return new RedisStore(connection, options)
}

/** For selection: connects at once, so that an unreachable server fails the start. */
export async function openStore({ settings, env }: StoreContext): Promise<SessionStore> {
  const url = env.SESSION_REDIS_URL || env.REDIS_URL || 'redis://127.0.0.1:6379'
  const store = redisStore(url, { keyPrefix: settings.keyPrefix, connectTimeout: settings.storeTimeout })
  try {
    await store.health()
  } catch (error) {
    await store.close()
    throw error
  }
  return store
}

class RedisStore extends KeyvStore {
  constructor(
    connection: RedisConnection,
    { keyPrefix = 'session:', connectTimeout = 2000 }: RedisStoreOptions,
  ) {
    const keyv = new KeyvRedis<string>(withDefaults(connection, connectTimeout), {
      // Their defaults turn an outage into "no session", and a failed write into a success.
      throwOnErrors: true,
      throwOnConnectError: true,
      connectionTimeout: connectTimeout,
    })
    // Every error also rejects the call that it belongs to.
    keyv.on('error', () => undefined)
    super(new RedisAdapter(keyv), { name: 'redis', keyPrefix, sharedAcrossProcesses: true })
  }

  override async health(): Promise<StoreHealth> {
    return super.health().catch((cause: unknown) => {
      throw unavailable(cause)
    })
  }
}

/** A URL gets a client without an offline queue: a command fails at once while the connection is down. */
function withDefaults(connection: RedisConnection, connectTimeout: number): RedisConnection {
  if (typeof connection !== 'string') return connection
  return {
    url: connection,
    disableOfflineQueue: true,
    socket: { connectTimeout, reconnectStrategy: (attempts: number) => Math.min(50 * 2 ** attempts, 1000) },
  }
}
