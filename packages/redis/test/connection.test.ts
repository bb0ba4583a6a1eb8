import { setTimeout as sleep } from 'node:timers/promises'
import { createClient } from '@keyv/redis'
import type { SessionStore } from '@sojourn/core'
import { RedisCluster, RedisServer, TcpProxy } from '@sojourn/redis-servers'
import { expect, it, onTestFinished } from 'vitest'
import { type RedisConnection, type RedisStoreOptions, redisStore } from '../src/index.ts'

const timeout = 300
const record = () => ({ data: {}, createdAt: Date.now(), expiresAt: Date.now() + 60_000 })

async function redis(...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...options)
  onTestFinished(() => server.stop())
  return server
}

function open(connection: RedisConnection, options: RedisStoreOptions = { timeout }): SessionStore {
  const store = redisStore(connection, options)
  onTestFinished(() => store.close())
  return store
}

async function proxyTo(port: number): Promise<TcpProxy> {
  const proxy = await TcpProxy.to(port)
  onTestFinished(() => proxy.stop())
  return proxy
}

it('F16: a connection that leads nowhere costs one command its answer; the next one goes over another', async () => {
  const server = await redis()
  const proxy = await proxyTo(server.port)
  const store = open(proxy.url)
  const { token } = await store.create(record())
  proxy.strand()
  await expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject({
    code: 'ERR_SESSION_STORE_UNAVAILABLE',
    reason: 'timeout',
  })
  expect(await store.update(token, { set: { b: 1 } })).toMatchObject({ status: 'written' })
  expect((await store.load(token))?.record.data).toEqual({ b: 1 })
})

it('F16: an idle connection that leads nowhere is found before anybody needs it', async () => {
  const server = await redis()
  const proxy = await proxyTo(server.port)
  const store = open(proxy.url)
  const { token } = await store.create(record())
  proxy.strand()
  await sleep(4 * timeout)
  expect(await store.load(token)).not.toBeNull()
})

it('F17: a server that becomes a replica refuses writes, and takes them once it is a master again', async () => {
  const [server, other] = [await redis(), await redis()]
  const store = open(server.url)
  const { token } = await store.create(record())
  await server.command('REPLICAOF', '127.0.0.1', String(other.port))
  await expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject({
    status: 503,
    reason: 'replica',
  })
  await server.command('REPLICAOF', 'NO', 'ONE')
  await expect.poll(() => store.create(record()).catch(() => null)).toMatchObject({ status: 'written' })
})

it('F17: a server that is out of memory refuses new sessions, and still ends and loads those that it has', async () => {
  const server = await redis('--maxmemory-policy', 'noeviction')
  const store = open(server.url)
  const [kept, ended] = [await store.create(record()), await store.create(record())]
  await server.command('CONFIG', 'SET', 'maxmemory', '1')
  await expect(store.create(record())).rejects.toMatchObject({ status: 503, reason: 'full' })
  await expect(store.update(kept.token, { set: { a: 1 } })).rejects.toMatchObject({
    status: 503,
    reason: 'full',
  })
  await store.destroy(ended.token)
  expect(await store.load(ended.token)).toBeNull()
  expect(await store.load(kept.token)).not.toBeNull()
})

it('F15: connections that are killed and scripts that are flushed lose nothing acknowledged, and apply nothing twice', async () => {
  const server = await redis()
  const store = open(server.url, { timeout: 2000 })
  const { token } = await store.create(record())
  let going = true
  const harassing = (async () => {
    for (let n = 0; going; n++) {
      await server.command(
        ...(n % 4 === 3 ? ['SCRIPT', 'FLUSH'] : ['CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes']),
      )
      await sleep(40)
    }
  })()
  const acknowledged: string[] = []
  const versions: number[] = []
  let unknown = 0
  const writing = Array.from({ length: 8 }, async (_, lane) => {
    for (let n = 0; going; n++) {
      const key = `${lane}-${n}`
      await store.update(token, { set: { [key]: n } }).then(
        outcome => {
          acknowledged.push(key)
          if (outcome.status === 'written') versions.push(Number(outcome.version))
        },
        error => {
          expect(error).toMatchObject({ status: 503 })
          unknown++
        },
      )
    }
  })
  await sleep(3000)
  going = false
  await Promise.all([harassing, ...writing])
  const stands = await store.load(token)
  const keys = new Set(Object.keys(stands?.record.data ?? {}))
  process.stdout.write(`F15: ${acknowledged.length} updates acknowledged, ${unknown} of unknown outcome\n`)
  expect(acknowledged.filter(key => !keys.has(key))).toEqual([])
  expect(new Set(versions).size).toBe(versions.length)
  // Each version is one update: none was applied twice.
  expect(Number(stands?.version) - 1).toBe(keys.size)
  expect(keys.size).toBeLessThanOrEqual(acknowledged.length + unknown)
  expect(acknowledged.length).toBeGreaterThan(100)
})

it('an operation costs one command', async () => {
  const server = await redis()
  const store = open(server.url)
  const { token } = await store.create(record())
  await store.update(token, { set: { warm: 1 } })
  await store.destroy((await store.create(record())).token)
  const calls = async () =>
    [
      ...(await server.command('INFO', 'commandstats')).matchAll(
        /cmdstat_(get|set|evalsha|eval|del|unlink):calls=(\d+)/g,
      ),
    ]
      .map(([, name, count]) => `${name} ${count}`)
      .sort()
  await server.command('CONFIG', 'RESETSTAT')
  await store.load(token)
  await store.create(record())
  expect(await calls()).toEqual(['get 1', 'set 1'])
  await server.command('CONFIG', 'RESETSTAT')
  await store.destroy(token)
  // A script's own commands are on the server, not on the way.
  expect(await calls()).toEqual(['del 1', 'evalsha 1', 'get 1'])
  const other = await store.create(record())
  await server.command('CONFIG', 'RESETSTAT')
  await store.update(other.token, { set: { a: 1 } })
  expect(await calls()).toEqual(['evalsha 1', 'get 1', 'set 1'])
})

it('F16: a network so slow that connecting and a command together take too long: it is back after a reset', async () => {
  const server = await redis()
  const proxy = await proxyTo(server.port)
  const store = open(proxy.url, { timeout: 500 })
  const { token } = await store.create(record())
  proxy.weather = { late: 150 }
  const end = performance.now() + 4000
  let resets = 0
  let answers = 0
  const load = async () => {
    while (performance.now() < end) {
      const loaded = await store.load(token).catch(() => null)
      if (resets === 0) {
        resets++
        proxy.reset()
      } else if (loaded !== null && performance.now() > end - 1500) answers++
      await sleep(10)
    }
  }
  await Promise.all(Array.from({ length: 8 }, load))
  expect(answers).toBeGreaterThan(8)
})

it('F16: an attempt to connect that leads nowhere does not hold the next one up', async () => {
  const server = await redis()
  const proxy = await proxyTo(server.port)
  const store = open(proxy.url, { timeout: 6000 })
  const { token } = await store.create(record())
  proxy.weather = 'nowhere'
  proxy.reset()
  await expect(store.load(token)).rejects.toMatchObject({ reason: 'disconnected' })
  const waiting = store.load(token)
  await sleep(500)
  proxy.weather = 'fair'
  const healed = performance.now()
  expect(await waiting).not.toBeNull()
  expect(performance.now() - healed).toBeLessThan(2000)
})

it.each(['a URL', 'a client'])(
  'F17: I4: after an answer that was garbled nobody gets that to the question of somebody else: %s',
  async kind => {
    const server = await redis()
    const proxy = await proxyTo(server.port)
    const client = createClient({ url: proxy.url })
    const store = open(kind === 'a URL' ? proxy.url : client)
    const names = ['ada', 'bob', 'cyd']
    const tokens = await Promise.all(
      names.map(async name => (await store.create({ ...record(), userId: name })).token),
    )
    const loads = tokens.map(token => store.load(token))
    await Promise.all(loads)
    proxy.weather = 'garbage'
    const garbled = store.load(tokens[0] ?? '').catch(() => undefined)
    await sleep(50)
    proxy.weather = 'fair'
    const seen = new Set<string>()
    for (let round = 0; round < 20; round++) {
      for (const [at, token] of tokens.entries()) {
        const loaded = await store.load(token).catch(() => undefined)
        if (loaded?.record.userId !== undefined) seen.add(`${names[at]} got ${loaded.record.userId}`)
      }
      await sleep(20)
    }
    await garbled
    expect([...seen].sort()).toEqual(['ada got ada', 'bob got bob', 'cyd got cyd'])
  },
)

it.each(['a URL', 'a Cluster'])(
  'what a full queue refuses fails alone, and says that it is full: the connection stays: %s',
  async kind => {
    const servers = kind === 'a URL' ? await redis() : await RedisCluster.start()
    if (servers instanceof RedisCluster) onTestFinished(() => servers.stop())
    const [limit, all] = [
      { commandsQueueMaxLength: 50 },
      servers instanceof RedisCluster ? servers.servers : [servers],
    ]
    const store = open(
      servers instanceof RedisCluster
        ? { rootNodes: servers.addresses.map(socket => ({ socket })), defaults: limit }
        : { url: servers.url, ...limit },
      { timeout: 2000 },
    )
    const { token } = await store.create(record())
    const connections = async () => {
      const stats = await Promise.all(all.map(server => server.command('INFO', 'stats')))
      return stats.reduce((sum, text) => sum + Number(/connections_received:(\d+)/.exec(text)?.[1]), 0)
    }
    await store.load(token)
    const before = await connections()
    const loads = await Promise.allSettled(Array.from({ length: 51 }, () => store.load(token)))
    expect(loads.filter(({ status }) => status === 'fulfilled').length).toBe(50)
    expect(loads.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { status: 503, reason: 'overloaded' },
    })
    await sleep(300)
    expect(await store.load(token)).not.toBeNull()
    // The question itself is one to each server.
    expect(await connections()).toBe(before + all.length)
  },
)

it('a full queue that refuses the ping of its own client does not end the connection', async () => {
  const server = await redis()
  const store = open({ url: server.url, commandsQueueMaxLength: 50, pingInterval: 5 }, { timeout: 2000 })
  const { token } = await store.create(record())
  const connections = async () => /connections_received:\d+/.exec(await server.command('INFO', 'stats'))?.[0]
  const before = Number((await connections())?.split(':')[1])
  let answered = 0
  const lanes = Array.from({ length: 80 }, async () => {
    for (const end = performance.now() + 500; performance.now() < end; await new Promise(setImmediate))
      await store.load(token).then(
        () => answered++,
        error => expect(error).toMatchObject({ reason: 'overloaded' }),
      )
  })
  await Promise.all(lanes)
  expect(answered).toBeGreaterThan(100)
  expect(await connections()).toBe(`connections_received:${before + 1}`)
})

it('a Cluster that has nobody for some of its slots is unavailable, and says so', async () => {
  const cluster = await RedisCluster.start()
  onTestFinished(() => cluster.stop())
  const store = open({ rootNodes: cluster.addresses.map(socket => ({ socket })) }, { timeout: 2000 })
  const { token } = await store.create(record())
  const [one] = cluster.servers
  const slot = await one?.command('CLUSTER', 'KEYSLOT', `session:${token}`)
  await Promise.all(cluster.servers.map(server => server.command('CLUSTER', 'DELSLOTS', String(slot))))
  await expect
    .poll(() => store.load(token).catch((error: unknown) => error), { timeout: 5000 })
    .toMatchObject({ status: 503, reason: 'incomplete' })
})

it('I5: what was refused in an outage is not done at its end', async () => {
  const server = await redis()
  const proxy = await proxyTo(server.port)
  const store = open(proxy.url, { timeout: 1500 })
  const { token } = await store.create(record())
  proxy.weather = 'nowhere'
  proxy.strand()
  await expect(store.update(token, { set: { first: 1 } })).rejects.toMatchObject({ status: 503 })
  const refused = Array.from({ length: 20 }, async (_, n) => {
    await sleep(n * 150)
    return store.update(token, { set: { n } }).catch((error: unknown) => error)
  })
  const outcomes = await Promise.all(refused)
  expect(outcomes).toEqual(Array.from({ length: 20 }, () => expect.objectContaining({ status: 503 })))
  proxy.weather = 'fair'
  await sleep(1500)
  while ((await store.load(token).catch(() => undefined)) === undefined) await sleep(20)
  expect((await store.load(token))?.record.data).toEqual({})
})

it('I6: a master of a Cluster that hangs fails its own sessions alone', async () => {
  const cluster = await RedisCluster.start('--cluster-node-timeout', '60000')
  onTestFinished(() => cluster.stop())
  const rootNodes = cluster.addresses.map(({ host, port }) => ({ url: `redis://${host}:${port}` }))
  const store = redisStore({ rootNodes }, { timeout: 300 })
  onTestFinished(() => store.close())
  const now = Date.now()
  const create = () => store.create({ data: {}, createdAt: now, expiresAt: now + 600_000 })
  const tokens = (await Promise.all(Array.from({ length: 30 }, create))).map(({ token }) => token)
  const [one] = cluster.servers
  if (one === undefined) throw new Error('no server')
  const masters = await Promise.all(tokens.map(token => cluster.masterOf(`session:${token}`, one)))
  const hung = masters[0]
  hung?.signal('SIGSTOP')
  onTestFinished(() => hung?.signal('SIGCONT'))
  const failed = { onHung: 0, elsewhere: 0 }
  const end = performance.now() + 1500
  const lanes = tokens.map(async (token, at) => {
    for (let n = 0; performance.now() < end; n++) {
      const answer = await store.update(token, { set: { n } }).catch(() => undefined)
      if (answer === undefined) failed[masters[at] === hung ? 'onHung' : 'elsewhere']++
    }
  })
  await Promise.all(lanes)
  expect(failed.onHung).toBeGreaterThan(0)
  expect(failed.elsewhere).toBe(0)
})

it('a Cluster that is closed stays closed, whatever was begun in the same moment', async () => {
  const cluster = await RedisCluster.start()
  onTestFinished(() => cluster.stop())
  const rootNodes = cluster.addresses.map(({ host, port }) => ({ url: `redis://${host}:${port}` }))
  const connections = async () => {
    const lists = await Promise.all(
      cluster.servers.map(server => server.command('CLIENT', 'LIST', 'TYPE', 'normal')),
    )
    // redis-cli, which asks, is one of each.
    return lists.join('').match(/^id=/gm)?.length ?? 0
  }
  const before = await connections()
  const store = redisStore({ rootNodes })
  await store.load('a'.repeat(43))
  const begun = store.load('b'.repeat(43)).catch(() => undefined)
  await store.close()
  await begun
  await expect.poll(connections).toBe(before)
})

it('of a Cluster that had nobody for any slot, or says that it is down, another view is taken until it is whole', async () => {
  const server = await redis('--cluster-enabled', 'yes', '--cluster-require-full-coverage', 'yes')
  const store = open({ rootNodes: [{ url: server.url }] }, { timeout: 1000 })
  const load = () => store.load('A'.repeat(43))
  await expect(load()).rejects.toMatchObject({ reason: 'incomplete' })
  await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '16383')
  await expect.poll(() => load().catch(() => undefined), { timeout: 5000 }).toBeNull()

  await server.command('CLUSTER', 'DELSLOTSRANGE', '0', '1')
  const connections = async () =>
    Number(/total_connections_received:(\d+)/.exec(await server.command('INFO', 'stats'))?.[1])
  await expect.poll(() => load().catch(({ reason }) => reason), { timeout: 5000 }).toBe('incomplete')
  const before = await connections()
  for (const end = performance.now() + 1500; performance.now() < end; await sleep(5))
    await expect(load()).rejects.toMatchObject({ reason: 'incomplete' })
  const more = (await connections()) - before
  expect(more).toBeGreaterThan(2)
  expect(more).toBeLessThan(30)
  await server.command('CLUSTER', 'ADDSLOTSRANGE', '0', '1')
  await expect.poll(() => load().catch(() => undefined), { timeout: 5000 }).toBeNull()
})
