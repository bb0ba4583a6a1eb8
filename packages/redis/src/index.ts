export { openStore, type RedisConnection, type RedisStoreOptions, redisStore } from './redis-store.ts'
