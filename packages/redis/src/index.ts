export type { RedisConnection, RedisSentinelOptions, RedisTls } from './connection.ts'
export { openStore, type RedisStoreOptions, redisStore } from './redis-store.ts'
