import { testStore } from '@sojourn/conformance'
import { RedisCluster, RedisSentinels, RedisServer } from '@sojourn/redis-servers'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { redisStore } from '../src/index.ts'

let server: RedisServer
let cluster: RedisCluster
let sentinels: RedisSentinels

beforeAll(async () => {
  ;[server, cluster, sentinels] = await Promise.all([
    RedisServer.start(),
    RedisCluster.start(),
    RedisSentinels.start(),
  ])
})

afterAll(() => Promise.all([server?.stop(), cluster?.stop(), sentinels?.stop()]))

testStore({ describe, it }, 'redis: one server', () => redisStore(server.url))

testStore({ describe, it }, 'redis: a Cluster of 3 masters and 3 replicas', () =>
  redisStore({ rootNodes: cluster.addresses.map(socket => ({ socket })) }),
)

testStore({ describe, it }, 'redis: Sentinel, 1 master, 2 replicas, 3 sentinels', () =>
  redisStore({ name: sentinels.name, sentinelRootNodes: sentinels.addresses }),
)
