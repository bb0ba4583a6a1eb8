export { freePort, freePorts } from './ports.ts'
export { RedisCluster } from './redis-cluster.ts'
export { RedisSentinels } from './redis-sentinels.ts'
export { RedisServer } from './redis-server.ts'
