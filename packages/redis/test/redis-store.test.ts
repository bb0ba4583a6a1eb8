import { setTimeout as sleep } from 'node:timers/promises'
import KeyvRedis, {
  createClient,
  createCluster,
  createSentinel,
  type RedisClientConnectionType,
} from '@keyv/redis'
import { openSessions, type SessionStore, type Sessions } from '@sojourn/core'
import { freePort, RedisCluster, RedisSentinels, RedisServer, TcpProxy } from '@sojourn/redis-servers'
import { createClient as createClient4 } from 'redis-4'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type RedisConnection, redisStore } from '../src/index.ts'

const secret = 'a secret of the tests, long enough for production'
const quiet = { info: () => undefined, warn: () => undefined, error: () => undefined }

let server: RedisServer
beforeAll(async () => {
  server = await RedisServer.start()
})
afterAll(() => server.stop())

const opened: SessionStore[] = []
function open(...options: Parameters<typeof redisStore>): SessionStore {
  const store = redisStore(...options)
  opened.push(store)
  return store
}
afterEach(() => Promise.all(opened.splice(0).map(store => store.close())))

const record = (data: Record<string, unknown> = {}) => ({
  data,
  createdAt: Date.now(),
  expiresAt: Date.now() + 60_000,
})

/** One request, which signs in if it is told who: whom it found, and its cookie. */
async function visit(sessions: Sessions, cookie: string | undefined, userId?: string) {
  const request = sessions.begin(cookie)
  await request.load()
  if (userId !== undefined) await request.session.regenerate({ userId })
  await request.commit()
  return { userId: request.session.userId, cookie: request.setCookie?.split(';')[0] }
}

/** A client of servers of its own, not open yet. */
async function clientOf(kind: string): Promise<RedisClientConnectionType> {
  if (kind === 'pool')
    return createClient({ url: server.url }).createPool() as unknown as RedisClientConnectionType
  const servers = kind === 'Sentinel' ? await RedisSentinels.start() : await RedisCluster.start()
  onTestFinished(() => servers.stop())
  const client =
    kind === 'Sentinel'
      ? createSentinel({ name: 'mymaster', sentinelRootNodes: servers.addresses })
      : createCluster({ rootNodes: servers.addresses.map(socket => ({ socket })) })
  return client as unknown as RedisClientConnectionType
}

describe('redisStore', () => {
  it('keeps a session as one readable JSON text under session:<id>, with an expiry of its own', async () => {
    const store = open(server.url)
    const { token } = await store.create(record({ theme: 'dark' }))
    const keyv = new KeyvRedis(server.url)
    expect(JSON.parse(String(await keyv.get(`session:${token}`)))).toMatchObject({
      v: 1,
      data: { theme: 'dark' },
    })
    await keyv.disconnect()
  })

  it('C1: is unavailable, never empty, while the server is down, and back when it is', async () => {
    const own = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    const store = open(own.url)
    const { token } = await store.create(record({ a: 1 }))
    await own.kill()
    await expect(store.load(token)).rejects.toThrow()
    await expect(store.update(token, { set: { a: 2 } })).rejects.toThrow()
    await expect(store.destroy(token)).rejects.toThrow()
    await own.run()
    await expect
      .poll(() => store.load(token).catch(() => null), { timeout: 5000 })
      .toMatchObject({ record: { data: { a: 1 } } })
    await own.stop()
  })

  it('I5: a script that the server has forgotten is sent again', async () => {
    const store = open(server.url)
    const { token } = await store.create(record())
    const keyv = new KeyvRedis(server.url)
    const client = await keyv.getClient()
    await store.update(token, { set: { a: 1 } })
    await (client as unknown as { scriptFlush(): Promise<unknown> }).scriptFlush()
    expect(await store.update(token, { set: { b: 2 } })).toMatchObject({ status: 'written', version: '3' })
    await keyv.disconnect()
  })
})

describe('the clock', () => {
  it.each([3_600_000, -3_600_000])(
    'that counts is that of the server: one %i ms off here ends nothing',
    async off => {
      const store = open(server.url)
      const { token } = await store.create(record())
      const real = Date.now
      vi.spyOn(Date, 'now').mockImplementation(() => real() + off)
      onTestFinished(() => void vi.restoreAllMocks())
      expect(await store.load(token)).not.toBeNull()
      expect(await store.update(token, { set: { a: 1 } })).toMatchObject({ status: 'written' })
      expect((await store.load(token))?.record.data).toEqual({ a: 1 })
    },
  )

  it("that is ahead in one process ends no session of another's users, however short their idle time", async () => {
    const sessions = await openSessions({
      store: open(server.url),
      secret,
      env: {},
      logger: quiet,
      idleTimeout: 1500,
    })
    const real = Date.now
    vi.spyOn(Date, 'now').mockImplementation(() => real() + 3_600_000)
    onTestFinished(() => void vi.restoreAllMocks())
    const { cookie } = await visit(sessions, undefined, 'ada')
    vi.restoreAllMocks()
    for (let n = 0; n < 10; n++) {
      await sleep(300)
      expect((await visit(sessions, cookie)).userId).toBe('ada')
    }
  })

  it('F9: that is behind in one process by as much as the idle time signs out nobody elsewhere', async () => {
    const sessions = await openSessions({
      store: open(server.url),
      secret,
      env: {},
      logger: quiet,
      idleTimeout: 3_600_000,
    })
    const real = Date.now
    onTestFinished(() => void vi.restoreAllMocks())
    const { cookie } = await visit(sessions, undefined, 'ada')
    for (let n = 0; n < 5; n++) {
      vi.spyOn(Date, 'now').mockImplementation(() => real() - 3_600_000)
      expect((await visit(sessions, cookie)).userId).toBe('ada')
      vi.restoreAllMocks()
      expect((await visit(sessions, cookie)).userId).toBe('ada')
    }
  })

  it('R4: a session near its end is absent once, or not at all, by a clock that is ahead', async () => {
    const timeout = 300
    const store = open(server.url, { timeout })
    const real = Date.now
    onTestFinished(() => void vi.restoreAllMocks())
    for (const ahead of [200, 600, 1200]) {
      vi.restoreAllMocks()
      const { token } = await store.create({ ...record(), expiresAt: Date.now() + 1500 })
      vi.spyOn(Date, 'now').mockImplementation(() => real() + ahead)
      const seen: string[] = []
      for (const end = performance.now() + 1600; performance.now() < end; await sleep(20)) {
        const { status } = await store.update(token, { set: { a: 1 } })
        const what = `${(await store.load(token)) === null ? 'absent' : 'found'} ${status}`
        if (seen.at(-1) !== what) seen.push(what)
      }
      expect(seen.filter(each => each === 'found written' || each === 'absent gone')).toEqual([
        'found written',
        'absent gone',
      ])
    }
  })

  it('R4: a session that was long on its way to a slow server is absent from its end on, and stays so', async () => {
    const store = open(server.url)
    await server.command('CLIENT', 'PAUSE', '1500')
    const created = store.create({ ...record(), expiresAt: Date.now() + 2000 })
    const { token } = await created
    await sleep(500 + 50)
    for (let n = 0; n < 14; n++) {
      expect(await store.load(token)).toBeNull()
      expect((await store.update(token, { set: { a: 1 } })).status).toBe('gone')
      await sleep(100)
    }
  })

  it('and a time that has passed ends the session at once', async () => {
    const store = open(server.url)
    const { token } = await store.create(record())
    expect(await store.update(token, { expiresAt: 0 })).toMatchObject({ status: 'written' })
    expect(await server.command('EXISTS', `session:${token}`)).toBe('0')
    const born = await store.create({ ...record(), expiresAt: Date.now() - 1 })
    expect(await server.command('EXISTS', `session:${born.token}`)).toBe('0')
  })
})

it('refuses certificates for a connection without TLS', () => {
  const store = open(server.url, { tls: { ca: 'a certificate' } })
  return expect(store.health()).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
})

describe('a client of your own', () => {
  it('is used as it is, and stays open', async () => {
    const client = await createClient({ url: server.url }).connect()
    onTestFinished(() => client.destroy())
    const store = redisStore(client)
    const { token } = await store.create(record())
    expect(await store.load(token)).not.toBeNull()
    await store.close()
    expect(client.isOpen).toBe(true)
  })

  it('is opened if it was not, and then closed with the store', async () => {
    const client = createClient({ url: server.url })
    const store = redisStore(client)
    await store.create(record())
    await store.close()
    expect(client.isOpen).toBe(false)
  })

  it('may be one that its owner is just opening', async () => {
    const client = createClient({ url: server.url })
    client.on('error', () => undefined)
    const opened = client.connect()
    onTestFinished(() => client.destroy())
    const sessions = await openSessions({ store: redisStore(client), secret, env: {}, logger: quiet })
    await sessions.close()
    expect((await opened).isOpen).toBe(true)
  })

  it('of node-redis 4, which takes no notice of an expiry, fails the start', async () => {
    const client = createClient4({ url: server.url })
    await client.connect()
    onTestFinished(async () => void (await client.disconnect()))
    const opening = openSessions({ store: redisStore(client as never), secret, env: {}, logger: quiet })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_SESSION_SETTING',
      message: expect.stringContaining('node-redis 5'),
    })
    expect(await server.command('KEYS', 'session:health-*')).toBe('')
  })

  it('of another library is refused', () => {
    const ioredis = { status: 'ready', connect: () => undefined, sendCommand: () => undefined }
    expect(() => redisStore(ioredis as never)).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_SETTING' }),
    )
  })

  it.each(['wait', 'ready'] as const)(
    'F17: that can not be used fails the start, and says why: %s',
    async opened => {
      const port = await freePort()
      const closed = createClient({ url: `redis://127.0.0.1:${port}` })
      const wrong = createClient({ url: server.url.replace('redis://', 'redis://nobody:wrong@') })
      for (const [client, reason] of [
        [closed, 'unreachable'],
        [wrong, 'password'],
      ] as const) {
        if (opened === 'wait') {
          client.on('error', () => undefined)
          client.connect().catch(() => undefined)
        }
        onTestFinished(() => {
          if (client.isOpen) client.destroy()
        })
        const store = redisStore(client, { timeout: 300 })
        const opening = openSessions({ store, secret, env: {}, logger: quiet, storeTimeout: 600 })
        await expect(opening).rejects.toMatchObject({ reason })
      }
    },
  )

  it('I6: that hangs keeps no more than some commands, and goes on at once when it can', async () => {
    const own = await RedisServer.start()
    onTestFinished(() => own.stop())
    const client = await createClient({ url: own.url }).connect()
    onTestFinished(() => client.destroy())
    const sendCommand = vi.spyOn(client, 'sendCommand')
    const store = redisStore(client, { timeout: 100 })
    const { token } = await store.create(record())
    own.signal('SIGSTOP')
    for (let n = 0; n < 40; n++) {
      const loads = Array.from({ length: 50 }, () => store.load(token).catch(() => undefined))
      if (n % 8 === 7) await Promise.all(loads)
    }
    await sleep(150)
    const sent = sendCommand.mock.calls.length
    for (let n = 0; n < 500; n++) await store.load(token).catch(() => undefined)
    expect(sent).toBeGreaterThan(0)
    expect(sendCommand.mock.calls.length).toBe(sent)
    own.signal('SIGCONT')
    await expect
      .poll(() => store.load(token).catch(() => undefined), { interval: 10 })
      .toMatchObject({ version: '1' })
  })

  it('that closes itself for good when Redis hangs is opened again', async () => {
    const own = await RedisServer.start()
    onTestFinished(() => own.stop())
    const client = createClient({ url: own.url, pingInterval: 100, socket: { socketTimeout: 200 } })
    client.on('error', () => undefined)
    await client.connect()
    const store = open(client, { timeout: 300 })
    const { token } = await store.create(record())
    own.signal('SIGSTOP')
    await expect.poll(() => client.isOpen, { timeout: 5000 }).toBe(false)
    own.signal('SIGCONT')
    await expect
      .poll(() => store.load(token).catch(() => undefined), { timeout: 2000 })
      .toMatchObject({ version: '1' })
    client.destroy()
  })

  it('that its owner has closed stays closed, and is used once its owner has opened it again', async () => {
    const client = await createClient({ url: server.url }).connect()
    const store = open(client, { timeout: 300 })
    const { token } = await store.create(record())
    const visiting = (async () => {
      for (let n = 0; n < 60; n++, await sleep(2)) await store.load(token).catch(() => undefined)
    })()
    for (let n = 0; n < 5; n++) {
      await client.close()
      await sleep(8)
      expect(client.isOpen).toBe(false)
      await client.connect()
      await sleep(8)
    }
    await visiting
    // Until the next attempt to use it is due, commands fail at once.
    await expect.poll(() => store.load(token).catch(() => null)).not.toBeNull()
    await client.close()
    await expect(store.load(token)).rejects.toMatchObject({ status: 503 })
    expect(client.isOpen).toBe(false)
  })

  it.each(['Cluster', 'pool', 'Sentinel'])('that its owner has closed stays closed: a %s', async kind => {
    const client = await clientOf(kind)
    client.on('error', () => undefined)
    await client.connect()
    const store = open(client, { timeout: 300 })
    const { token } = await store.create(record())
    await client.close()
    for (let n = 0; n < 3; n++) {
      await expect(store.load(token)).rejects.toMatchObject({ status: 503 })
      expect(client.isOpen).toBe(false)
    }
    // node-redis' Sentinel can not be opened again.
    if (kind === 'Sentinel') return
    await client.connect()
    onTestFinished(() => client.destroy())
    await expect.poll(() => store.load(token).catch(() => undefined)).toMatchObject({ version: '1' })
  })

  it('that its owner has closed in an outage stays closed, and is used once its owner has opened it again', async () => {
    const own = await RedisServer.start()
    onTestFinished(() => own.stop())
    for (const pause of [0, 50, 100, 150]) {
      const client = createClient({ url: own.url })
      client.on('error', () => undefined)
      await client.connect()
      const store = open(client, { timeout: 300 })
      await store.create(record())
      await own.kill()
      await sleep(pause)
      client.destroy()
      for (let n = 0; n < 3; n++, await sleep(50)) {
        await expect(store.load('a'.repeat(43))).rejects.toMatchObject({ status: 503 })
        expect(client.isOpen).toBe(false)
      }
      await own.run()
      await client.connect()
      await expect.poll(() => store.load('a'.repeat(43)).catch(() => undefined)).toBeNull()
      client.destroy()
    }
  })

  it('that could not be opened is used once its owner has opened it', async () => {
    const port = await freePort()
    const client = createClient({ url: `redis://127.0.0.1:${port}`, socket: { reconnectStrategy: false } })
    const store = open(client, { timeout: 300 })
    await expect(store.load('a'.repeat(43))).rejects.toMatchObject({ reason: 'unreachable' })
    const late = await RedisServer.startAt(port)
    onTestFinished(() => late.stop())
    await client.connect().catch(() => undefined)
    await expect
      .poll(
        () =>
          store.create(record()).then(
            () => 'created',
            () => 'failed',
          ),
        { timeout: 2000 },
      )
      .toBe('created')
  })

  it('F17: whose server answers garbage for a while is opened again', async () => {
    const proxy = await TcpProxy.to(server.port)
    onTestFinished(() => proxy.stop())
    const client = createClient({ url: proxy.url })
    client.on('error', () => undefined)
    await client.connect()
    const store = open(client, { timeout: 300 })
    const { token } = await store.create(record())
    proxy.weather = 'garbage'
    for (const end = performance.now() + 1500; performance.now() < end; await sleep(10))
      await store.load(token).catch(() => undefined)
    proxy.weather = 'fair'
    await expect
      .poll(() => store.load(token).catch(() => undefined), { timeout: 2000 })
      .toMatchObject({ version: '1' })
  })

  it.each(['Sentinel', 'Cluster'])('of a %s may be one that its owner is just opening', async kind => {
    const client = await clientOf(kind)
    client.on('error', () => undefined)
    const opened = client.connect()
    onTestFinished(() => void client.destroy())
    const store = redisStore(client)
    const sessions = await openSessions({ store, secret, env: {}, logger: quiet })
    await opened
    await sessions.store.create(record())
    await sessions.close()
  })

  it('of a Cluster one of whose masters hangs goes on with the others', async () => {
    const cluster = await RedisCluster.start('--cluster-node-timeout', '60000')
    onTestFinished(() => cluster.stop())
    const rootNodes = cluster.addresses.map(({ host, port }) => ({ url: `redis://${host}:${port}` }))
    const client = createCluster({ rootNodes })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => void client.destroy())
    const store = open(client as unknown as RedisClientConnectionType, { timeout: 200 })
    const tokens = await Promise.all(
      Array.from({ length: 30 }, () => store.create(record()).then(({ token }) => token)),
    )
    const [one] = cluster.servers
    if (one === undefined) throw new Error('no server')
    const masters = await Promise.all(tokens.map(token => cluster.masterOf(`session:${token}`, one)))
    const hung = masters[0]
    const lost = tokens.filter((_, at) => masters[at] === hung)
    hung?.signal('SIGSTOP')
    onTestFinished(() => hung?.signal('SIGCONT'))
    for (let n = 0; n < 300; n++) store.load(lost[n % lost.length] ?? '').catch(() => undefined)
    await sleep(400)
    for (const token of tokens.filter((_, at) => masters[at] !== hung))
      expect(await store.load(token)).not.toBeNull()
  })

  it('of Sentinel goes on when it loses a sentinel and a replica', async () => {
    const sentinels = await RedisSentinels.start()
    onTestFinished(() => sentinels.stop())
    const client = createSentinel({
      name: sentinels.name,
      sentinelRootNodes: sentinels.addresses,
      passthroughClientErrorEvents: true,
    })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => void (client.isOpen && client.destroy()))
    const store = open(client as unknown as RedisClientConnectionType, { timeout: 1000 })
    const { token } = await store.create(record())
    for (const gone of [...sentinels.sentinels.slice(0, 1), ...sentinels.servers.slice(2)]) await gone.kill()
    await sleep(1500)
    expect(client.isOpen).toBe(true)
    await expect.poll(() => store.load(token).catch(() => undefined)).toMatchObject({ version: '1' })
  })

  it('may be opened by its owner, once the store is made', async () => {
    const client = createClient({ url: server.url })
    const store = redisStore(client)
    await client.connect()
    onTestFinished(() => client.destroy())
    await store.create(record())
    await store.close()
    expect(client.isOpen).toBe(true)
  })

  it('that lost its server refuses at once, and nothing waits in its queue', async () => {
    const own = await RedisServer.start('--appendonly', 'yes', '--appendfsync', 'always')
    onTestFinished(() => own.stop())
    const client = createClient({ url: own.url })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => client.destroy())
    const store = redisStore(client)
    const { token } = await store.create(record())
    await own.kill()
    for (let n = 0; n < 20; n++) await store.update(token, { set: { n } }).catch(() => undefined)
    await own.run()
    await expect.poll(() => store.load(token).catch(() => undefined)).toMatchObject({ version: '1' })
  })

  it('that can not be opened yet gets no more listeners with time, and is used once it can', async () => {
    const port = await freePort()
    const client = createClient({ url: `redis://127.0.0.1:${port}` })
    const store = redisStore(client, { timeout: 100 })
    onTestFinished(() => store.close())
    const counts = new Set<number>()
    for (let n = 0; n < 6; n++) {
      await expect(store.load('a'.repeat(43))).rejects.toMatchObject({ status: 503 })
      counts.add(client.listenerCount('error'))
      await sleep(100)
    }
    expect(Math.max(...counts)).toBeLessThanOrEqual(Math.min(...counts) + 1)
    const late = await RedisServer.startAt(port)
    onTestFinished(() => late.stop())
    while ((await store.create(record()).catch(() => undefined)) === undefined) await sleep(20)
  })
})

it.each([
  'options',
  'a client',
  'options of a Cluster',
  'a Cluster',
  'a pool',
  'options of Sentinel',
  'Sentinel',
])('reads texts, whatever type its owner wants for himself: %s', async kind => {
  // Of blob strings, whose type begins with a dollar sign.
  const commandOptions = { typeMapping: { 36: Buffer } } as const
  const options = { url: server.url, commandOptions }
  const given = async () => {
    if (kind === 'options') return options
    if (kind === 'a client') return createClient(options)
    if (kind === 'a pool') return createClient(options).createPool()
    if (kind.endsWith('Sentinel')) {
      const sentinels = await RedisSentinels.start()
      onTestFinished(() => sentinels.stop())
      const { addresses: sentinelRootNodes, name } = sentinels
      return kind === 'Sentinel'
        ? createSentinel({ name, sentinelRootNodes, commandOptions })
        : { name, sentinelRootNodes, nodeClientOptions: { commandOptions } }
    }
    const cluster = await RedisCluster.start()
    onTestFinished(() => cluster.stop())
    const ofCluster = { rootNodes: cluster.addresses.map(socket => ({ socket })), commandOptions }
    return kind === 'a Cluster' ? createCluster(ofCluster) : ofCluster
  }
  const connection = await given()
  const store = open(connection as RedisConnection)
  const sessions = await openSessions({ store, secret, env: {}, logger: quiet })
  const { cookie } = await visit(sessions, undefined, 'ada')
  expect((await visit(sessions, cookie)).userId).toBe('ada')
  if (!('connect' in connection)) return
  if (kind === 'Sentinel') connection.on('error', () => undefined)
  await connection.set('own', 'text')
  expect(await connection.get('own')).toEqual(Buffer.from('text'))
  await store.close()
  expect(connection.isOpen).toBe(false)
})

it('takes everything as one object, as others do: client, cluster, sentinel, or a URL, with the options', async () => {
  const client = await createClient({ url: server.url }).connect()
  onTestFinished(() => client.destroy())
  for (const connection of [{ client }, { url: server.url }]) {
    const store = open({ ...connection, keyPrefix: 'own:' })
    const { token } = await store.create(record())
    expect(await server.command('EXISTS', `own:${token}`)).toBe('1')
  }
  expect(() => redisStore({ cluster: { rootNodes: [] } })).toThrow(
    expect.objectContaining({ code: 'ERR_SESSION_SETTING' }),
  )
  // @ts-expect-error: it is a word of no one
  expect(() => redisStore({ server: 'redis://host' })).toThrow(
    expect.objectContaining({ code: 'ERR_SESSION_SETTING' }),
  )
})

it.each(['localhost:6379', 'redis//x', 'http://localhost'])(
  'refuses %s as an address, with what it may be',
  url => {
    expect(() => redisStore(url)).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_SETTING', message: expect.stringContaining('redis://') }),
    )
  },
)
