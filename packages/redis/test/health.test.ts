import { rmSync } from 'node:fs'
import { createCluster, createSentinel, type RedisClientConnectionType } from '@keyv/redis'
import { openSessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { RedisCluster, RedisSentinels, RedisServer } from '@sojourn/redis-servers'
import { expect, it, onTestFinished } from 'vitest'
import { redisStore } from '../src/index.ts'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }

async function redis(...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...options)
  onTestFinished(() => server.stop())
  return server
}

async function warningsOf(server: RedisServer): Promise<readonly string[]> {
  const store = redisStore(server.url)
  try {
    return (await store.health()).warnings
  } finally {
    await store.close()
  }
}

it('is well with noeviction and an append-only file', async () => {
  expect(await warningsOf(await redis('--appendonly', 'yes'))).toEqual([])
})

it('is well with snapshots', async () => {
  expect(await warningsOf(await redis('--save', '60', '1'))).toEqual([])
})

it('warns of an eviction policy that ends live sessions', async () => {
  const server = await redis(
    '--appendonly',
    'yes',
    '--maxmemory-policy',
    'allkeys-lru',
    '--maxmemory',
    '100mb',
  )
  expect(await warningsOf(server)).toEqual([expect.stringContaining('allkeys-lru')])
})

it('warns if nothing is persisted', async () => {
  expect(await warningsOf(await redis())).toEqual([expect.stringContaining('nothing is persisted')])
})

it('warns of a replica that is behind', async () => {
  const server = await redis('--appendonly', 'yes', '--repl-ping-replica-period', '1')
  const replica = await redis('--replicaof', '127.0.0.1', String(server.port))
  await expect.poll(() => server.command('INFO', 'replication'), { timeout: 20_000 }).toMatch(/state=online/)
  expect(await warningsOf(server)).toEqual([])
  replica.signal('SIGSTOP')
  await expect
    .poll(() => warningsOf(server), { timeout: 20_000, interval: 500 })
    .toEqual([expect.stringContaining('1 of 1 replicas')])
})

it('warns of a replica that is online and many bytes behind', async () => {
  const server = await redis('--appendonly', 'yes', '--repl-backlog-size', '100mb')
  const replica = await redis('--replicaof', '127.0.0.1', String(server.port))
  await expect.poll(() => server.command('INFO', 'replication'), { timeout: 20_000 }).toMatch(/state=online/)
  replica.signal('SIGSTOP')
  for (let n = 0; n < 30; n++) await server.command('SET', `big-${n}`, 'x'.repeat(100_000))
  expect(await warningsOf(server)).toEqual([expect.stringContaining('1 of 1 replicas')])
})

it('warns of a replica that takes changes: its master never learns of them', async () => {
  const master = await redis('--appendonly', 'yes')
  const server = await redis(
    '--appendonly',
    'yes',
    '--replica-read-only',
    'no',
    '--replicaof',
    '127.0.0.1',
    String(master.port),
  )
  await expect
    .poll(() => server.command('INFO', 'replication'), { timeout: 20_000 })
    .toMatch(/master_link_status:up/)
  expect(await warningsOf(server)).toEqual([expect.stringContaining('connect to the master')])
})

it('tells of the master, though the client of Sentinel asks replicas', async () => {
  const sentinels = await RedisSentinels.start()
  onTestFinished(() => sentinels.stop())
  const client = createSentinel({
    name: sentinels.name,
    sentinelRootNodes: sentinels.addresses,
    replicaPoolSize: 1,
  })
  client.on('error', () => undefined)
  await client.connect()
  onTestFinished(() => client.destroy())
  const store = redisStore(client as unknown as RedisClientConnectionType)
  onTestFinished(() => store.close())
  for (const replica of sentinels.servers.slice(1))
    await replica.command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')
  for (let n = 0; n < 4; n++) expect((await store.health()).warnings.join()).not.toContain('allkeys-lru')
})

it('says that the server takes no changes: it can not write to its disk', async () => {
  const server = await redis('--save', '60', '1000')
  await server.command('SET', 'a', '1')
  rmSync(server.folder, { recursive: true })
  await server.command('CONFIG', 'SET', 'save', '1 1')
  await server.command('SET', 'a', '2')
  await expect
    .poll(() => server.command('INFO', 'persistence'), { timeout: 20_000 })
    .toContain('rdb_last_bgsave_status:err')
  const store = redisStore(server.url)
  onTestFinished(() => store.close())
  const sessions = await openSessions({ store: memoryStore(), logger, env: {}, secret: 'x'.repeat(32) })
  // With this one it would not start.
  Object.assign(sessions.store, { health: () => store.health() })
  expect(await sessions.health()).toMatchObject({
    reachable: false,
    warnings: [expect.stringContaining('can not write to its disk')],
  })
})

it('warns that no session can begin: the server is out of memory', async () => {
  const server = await redis('--appendonly', 'yes')
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  expect(await warningsOf(server)).toEqual([expect.stringContaining('out of memory')])
})

it('warns that no replica follows the master of the sentinels', async () => {
  const sentinels = await RedisSentinels.start()
  onTestFinished(() => sentinels.stop())
  const store = redisStore({ name: sentinels.name, sentinelRootNodes: sentinels.addresses })
  onTestFinished(() => store.close())
  expect((await store.health()).warnings.join()).not.toContain('replica')
  for (const replica of sentinels.servers.slice(1)) await replica.kill()
  await expect.poll(async () => (await store.health()).warnings.join()).toContain('no replica follows')
})

it.each(['options', 'a client'])('warns that no replica follows a master of a Cluster: %s', async kind => {
  const cluster = await RedisCluster.start()
  onTestFinished(() => cluster.stop())
  const options = { rootNodes: cluster.addresses.map(socket => ({ socket })) }
  const client = createCluster(options)
  client.on('error', () => undefined)
  const store = redisStore(kind === 'options' ? options : (client as unknown as RedisClientConnectionType))
  onTestFinished(() => store.close())
  expect((await store.health()).warnings.join()).not.toContain('replica')
  for (const replica of cluster.servers.slice(3)) await replica.kill()
  await expect
    .poll(async () => (await store.health()).warnings.join(), { timeout: 5000 })
    .toContain('no replica follows')
})

it('leaves out what the user of the connection may not ask', async () => {
  const server = await redis()
  await server.command(
    'ACL',
    'SETUSER',
    'app',
    'on',
    '>pass',
    '~session:*',
    ...'+get +set +del +strlen +pttl +eval +evalsha +time +hget +hset +hdel'.split(' '),
    ...'+hlen +hexists +hgetall +hscan +hrandfield +pexpire'.split(' '),
  )
  const store = redisStore(`redis://app:pass@127.0.0.1:${server.port}`)
  expect(await store.health()).toMatchObject({ reachable: true, warnings: [] })
  await store.close()
})

it('sessions.health() answers while Redis is down, and again when it is back', async () => {
  const server = await redis()
  const store = redisStore(server.url)
  const sessions = await openSessions({ store, logger, env: {}, secret: 'x'.repeat(32) })
  onTestFinished(() => sessions.close())
  expect(await sessions.health()).toMatchObject({
    store: 'redis',
    reachable: true,
    location: `at 127.0.0.1:${server.port}`,
  })
  await server.kill()
  expect(await sessions.health()).toMatchObject({ store: 'redis', reachable: false })
  await server.run()
  await expect.poll(() => sessions.health()).toMatchObject({ reachable: true })
})
