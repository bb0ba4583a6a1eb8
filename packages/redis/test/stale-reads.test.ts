import { createClient, createCluster, createSentinel } from '@keyv/redis'
import { openSessions, type SessionStore } from '@sojourn/core'
import { RedisCluster, RedisSentinels, RedisServer, TcpProxy } from '@sojourn/redis-servers'
import { expect, it, onTestFinished } from 'vitest'
import { type RedisConnection, redisStore } from '../src/index.ts'

const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }
const clientSideCache = { ttl: 0, maxEntries: 0, evictPolicy: 'LRU' } as const

function open(connection: unknown): SessionStore {
  const store = redisStore(connection as RedisConnection, { timeout: 10_000 })
  onTestFinished(() => store.close())
  return store
}

function create(store: SessionStore) {
  const now = Date.now()
  return store.create({ data: { theme: 'light' }, createdAt: now, expiresAt: now + 600_000 })
}

/**
 * What is loaded is what another process has made of it, though nothing else comes from the master from `cut` on. There are
 * many loads, because they are shared out among the servers.
 */
async function expectFresh(
  store: SessionStore,
  other: SessionStore,
  cut: () => Promise<void>,
): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: 20 }, () => create(other)))
  for (const { token } of sessions) await store.load(token)
  const changed = sessions.slice(10)
  const destroyed = sessions.slice(0, 10)
  await cut()
  await Promise.all([
    ...changed.map(({ token }) => other.update(token, { set: { theme: 'dark' } })),
    ...destroyed.map(({ token }) => other.destroy(token)),
  ])
  for (const { token } of changed)
    expect(await store.load(token)).toMatchObject({ record: { data: { theme: 'dark' } } })
  for (const { token } of destroyed) expect(await store.load(token)).toBeNull()
}

/** No replica hears of a change from now on; what it has it serves still. */
async function cutReplicas(servers: readonly RedisServer[]): Promise<void> {
  for (const server of servers) {
    await server.command('ACL', 'SETUSER', 'default', '-psync', '-sync')
    await server.command('CLIENT', 'KILL', 'TYPE', 'replica')
  }
}

it('I1 C4: a client of Sentinel that reads from replicas does not, for sessions', async () => {
  const sentinels = await RedisSentinels.start()
  onTestFinished(() => sentinels.stop())
  const options = { name: sentinels.name, sentinelRootNodes: sentinels.addresses }
  const client = createSentinel({ ...options, replicaPoolSize: 1 })
  client.on('error', () => undefined)
  await expectFresh(open(client), open(options), () => cutReplicas(sentinels.servers))
})

it.each(['client', 'pool', 'client of Sentinel'])(
  'I1 C4: a %s that has a cache does not read sessions from it',
  async kind => {
    const sentinels = kind === 'client of Sentinel' ? await RedisSentinels.start() : undefined
    const server = sentinels?.servers[0] ?? (await RedisServer.start())
    onTestFinished(() => (sentinels ?? server).stop())
    // It brings the news of changes late, and what a cache knows is there at once.
    const proxy = await TcpProxy.to(server.port)
    onTestFinished(() => proxy.stop())
    const { hostname: host, port } = new URL(proxy.url)
    const options = { url: proxy.url, RESP: 3 as const }
    const client =
      sentinels === undefined
        ? createClient({ ...options, ...(kind === 'client' && { clientSideCache }) })
        : createSentinel({
            name: sentinels.name,
            sentinelRootNodes: sentinels.addresses,
            nodeAddressMap: { [`127.0.0.1:${server.port}`]: { host, port: Number(port) } },
            RESP: 3,
            clientSideCache,
          })
    client.on('error', () => undefined)
    const given = kind === 'pool' && 'createPool' in client ? client.createPool({ clientSideCache }) : client
    await expectFresh(open(given), open(server.url), async () => {
      proxy.weather = { late: 50 }
    })
  },
)

it('a Cluster that reads from replicas is refused, and its duplicate that does not is taken', async () => {
  const cluster = await RedisCluster.start()
  onTestFinished(() => cluster.stop())
  const rootNodes = cluster.addresses.map(socket => ({ socket }))
  const client = createCluster({ rootNodes, useReplicas: true })
  await expect(open(client).health()).rejects.toMatchObject({
    code: 'ERR_SESSION_SETTING',
    message: expect.stringContaining('cluster.duplicate({ useReplicas: false })'),
  })
  await create(open(client.duplicate({ useReplicas: false })))
})

const rootNodes = [{ url: 'redis://host' }]
const sentinelRootNodes = [{ host: 'host', port: 26_379 }]
it.each([
  { rootNodes, useReplicas: true },
  { rootNodes, RESP: 3, clientSideCache },
  { rootNodes, defaults: { readonly: true } },
  { name: 'mymaster', sentinelRootNodes, replicaPoolSize: 1 },
  { name: 'mymaster', sentinelRootNodes, nodeClientOptions: { RESP: 3, clientSideCache } },
  { url: 'redis://host', RESP: 3, clientSideCache },
  { url: 'redis://host', readonly: true },
])('options that have sessions read from a replica or a cache are refused: %j', options => {
  expect(() => open(options)).toThrow(
    expect.objectContaining({
      code: 'ERR_SESSION_SETTING',
      message: expect.stringContaining('must be left out'),
    }),
  )
})

it('the same options are taken where they say that it is not so', () => {
  open({ rootNodes, useReplicas: false })
  open({ name: 'mymaster', sentinelRootNodes, replicaPoolSize: 0 })
})

it('SESSION_REDIS_CLUSTER: options as JSON that have sessions read from replicas are refused', async () => {
  const env = { SESSION_REDIS_CLUSTER: JSON.stringify({ rootNodes, useReplicas: true }) }
  const secret = 'a secret of the tests, long enough for production'
  await expect(openSessions({ secret, env, logger: quiet })).rejects.toMatchObject({
    code: 'ERR_SESSION_SETTING',
    message: expect.stringContaining('useReplicas'),
  })
})
