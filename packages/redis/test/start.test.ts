import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { type Environment, openSessions } from '@sojourn/core'
import { freePort, RedisCluster, RedisSentinels, RedisServer, TcpProxy } from '@sojourn/redis-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const secret = 'a secret of the tests, long enough for production'
const password = 'canary-of-a-password'

/** Opens sessions in this environment; what was logged, or the error with all that it was caused by. */
async function start(env: Environment, options = {}) {
  const log: string[] = []
  const note = (message: string) => void log.push(message)
  const logger = { info: note, warn: note, error: note }
  const sessions = await openSessions({ secret, logger, env, ...options })
  onTestFinished(() => sessions.close())
  return { sessions, log }
}

async function failure(env: Environment, options = {}): Promise<Error> {
  return start(env, options).then(
    () => Promise.reject(new Error('it started')),
    (error: Error) => error,
  )
}

async function serverOn(
  listener: Parameters<typeof createServer>[1],
): Promise<{ server: Server; url: string }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  return { server, url: `redis://127.0.0.1:${typeof address === 'object' ? address?.port : ''}` }
}

async function redis(...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...options)
  onTestFinished(() => server.stop())
  return server
}

describe('Redis chosen by the environment', () => {
  it('says in one line what was chosen, why, and that it was verified', async () => {
    const server = await redis('--appendonly', 'yes')
    const { log } = await start({ REDIS_URL: server.url })
    expect(log).toEqual([
      `Session storage initialized: redis at 127.0.0.1:${server.port}, verified (REDIS_URL is set)`,
    ])
  })

  it('SESSION_REDIS_SENTINEL: a master and its sentinels, each kind with a password of its own', async () => {
    const sentinels = await RedisSentinels.start()
    onTestFinished(() => sentinels.stop())
    const [sentinel] = sentinels.sentinels
    await sentinel?.command('ACL', 'SETUSER', 'default', 'resetpass', `>${password}-s`)
    const [master] = sentinels.servers
    await master?.command('ACL', 'SETUSER', 'default', 'resetpass', `>${password}-m`)
    const at = `127.0.0.1:${sentinel?.port}`
    const { log, sessions } = await start({
      SESSION_REDIS_SENTINEL: `${sentinels.name}@:${password}-s@127.0.0.1:1,:${password}-s@${at}`,
      SESSION_REDIS_URL: `redis://:${password}-m@not-used`,
    })
    expect(log[0]).toContain(
      `redis master ${sentinels.name} of the sentinels at 127.0.0.1:1, ${at}, verified (SESSION_REDIS_SENTINEL is set)`,
    )
    expect(log.join()).not.toContain(password)
    expect((await sessions.health()).reachable).toBe(true)
  })

  it('SESSION_REDIS_CLUSTER: some of its nodes, with a password', async () => {
    const cluster = await RedisCluster.start()
    onTestFinished(() => cluster.stop())
    for (const server of cluster.servers) await server.command('CONFIG', 'SET', 'requirepass', password)
    const [one] = cluster.addresses
    const { log, sessions } = await start({
      SESSION_REDIS_CLUSTER: `redis://:${password}@127.0.0.1:1,redis://:${password}@127.0.0.1:${one?.port}`,
    })
    expect(log[0]).toContain(`redis Cluster at 127.0.0.1:1, 127.0.0.1:${one?.port}, verified`)
    expect(log.join()).not.toContain(password)
    const now = Date.now()
    for (let n = 0; n < 10; n++)
      await sessions.store.create({ data: {}, createdAt: now, expiresAt: now + 60_000 })
  })

  it('SESSION_REDIS_URL wins over REDIS_URL', async () => {
    const server = await redis()
    const { sessions } = await start({ SESSION_REDIS_URL: server.url, REDIS_URL: 'redis://127.0.0.1:1' })
    expect(sessions.store.name).toBe('redis')
  })

  it('takes a user and a password from the URL', async () => {
    const server = await redis('--requirepass', password)
    const { log } = await start({ REDIS_URL: `redis://:${password}@127.0.0.1:${server.port}` })
    expect(log[0]).toContain(`redis at 127.0.0.1:${server.port}, verified`)
    expect(log.join()).not.toContain(password)
  })

  it.each([
    ['REDIS_URL', 'http://localhost:6379'],
    ['REDIS_URL', 'localhost:6379'],
    ['SESSION_REDIS_CLUSTER', '{"nodes":[]}'],
    ['SESSION_REDIS_CLUSTER', '{'],
    ['SESSION_REDIS_CLUSTER', ' , '],
    ['SESSION_REDIS_SENTINEL', 'host:26379'],
    ['SESSION_REDIS_TLS_CA', '/not/there.pem'],
  ])('refuses %s=%s, and says what it must be', async (name, value) => {
    const error = await failure({ REDIS_URL: 'redis://127.0.0.1:1', [name]: value })
    expect(error).toMatchObject({ code: 'ERR_SESSION_SETTING' })
    expect(error.message).toMatch(/must|valid/)
  })
})

describe('F17: a Redis that can not be used fails the start within the deadline, and says why', () => {
  it('nothing listens', async () => {
    const port = await freePort()
    const error = await failure({ REDIS_URL: `redis://user:${password}@127.0.0.1:${port}` })
    expect(error).toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE', reason: 'unreachable', status: 503 })
    expect(error.message).toBe(
      `Redis at 127.0.0.1:${port}: nothing listens there, or the host is not known. Start Redis, or correct the address.`,
    )
  })

  it('the host is not known', async () => {
    expect(await failure({ REDIS_URL: 'redis://no-such-host.invalid' })).toMatchObject({
      reason: 'unreachable',
    })
  })

  it.each([
    ['a wrong password', `:${password}@`],
    ['no password', ''],
    ['a user that is not there', `nobody:${password}@`],
  ])('%s', async (_what, credentials) => {
    const server = await redis('--requirepass', 'another one')
    const error = await failure({ REDIS_URL: `redis://${credentials}127.0.0.1:${server.port}` })
    expect(error).toMatchObject({ reason: 'password' })
    expect(inspect(error)).not.toContain(password)
    expect(inspect(error)).not.toContain('another one')
  })

  it.each([
    ['HTTP', 'HTTP/1.1 400 Bad Request\r\n\r\n'],
    ['SSH', 'SSH-2.0-OpenSSH_9.2\r\n'],
  ])('not a Redis but %s', async (_what, greeting) => {
    const { url } = await serverOn(socket => socket.on('error', () => undefined).write(greeting))
    expect(await failure({ REDIS_URL: url }, { storeTimeout: 500 })).toMatchObject({ reason: 'not-redis' })
  })

  it('never answers', async () => {
    const { url } = await serverOn(socket => void socket.on('error', () => undefined))
    expect(await failure({ REDIS_URL: url }, { storeTimeout: 300 })).toMatchObject({ reason: 'timeout' })
  })

  it('still loading', async () => {
    const server = await redis('--rdbcompression', 'no', '--enable-debug-command', 'yes')
    await server.command('DEBUG', 'POPULATE', '200', 'key', '4096')
    await server.command('SAVE')
    await server.kill()
    await server.run('--key-load-delay', '50000', '--loading-process-events-interval-bytes', '4096')
    expect(await failure({ REDIS_URL: server.url })).toMatchObject({ reason: 'loading' })
  })

  it('a read-only replica', async () => {
    const master = await redis()
    const replica = await redis('--replicaof', '127.0.0.1', String(master.port))
    expect(await failure({ REDIS_URL: replica.url })).toMatchObject({ reason: 'replica' })
  })
})

describe('TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-tls-'))
  const file = (name: string) => join(folder, name)
  let server: RedisServer
  let url: string

  beforeAll(async () => {
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: folder, stdio: 'ignore' })
    openssl(
      'req',
      '-x509',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'ca.key',
      '-out',
      'ca.pem',
      '-days',
      '2',
      '-subj',
      '/CN=test CA',
    )
    writeFileSync(file('names'), 'subjectAltName=IP:127.0.0.1')
    openssl(
      'req',
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-keyout',
      'key.pem',
      '-out',
      'request.pem',
      '-subj',
      '/CN=127.0.0.1',
    )
    openssl(
      'x509',
      '-req',
      '-in',
      'request.pem',
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-out',
      'cert.pem',
      '-days',
      '2',
      '-extfile',
      'names',
    )
    const port = await freePort()
    const tls = [
      '--tls-cert-file',
      file('cert.pem'),
      '--tls-key-file',
      file('key.pem'),
      '--tls-ca-cert-file',
      file('ca.pem'),
    ]
    server = await RedisServer.start('--tls-port', String(port), ...tls)
    url = `rediss://127.0.0.1:${port}`
  })

  afterAll(async () => {
    await server?.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const certificates = {
    SESSION_REDIS_TLS_CA: file('ca.pem'),
    SESSION_REDIS_TLS_CERT: file('cert.pem'),
    SESSION_REDIS_TLS_KEY: file('key.pem'),
  }

  it.each(['rediss', 'REDISS'])('%s:// with the CA and a certificate of its own', async scheme => {
    const { log } = await start({ REDIS_URL: url.replace('rediss', scheme), ...certificates })
    expect(log[0]).toContain('verified')
  })

  it('F17: a server that wants a certificate and gets none fails the start, and does not end the process', async () => {
    const errors: unknown[] = []
    const note = (error: unknown) => errors.push(error)
    process.on('uncaughtException', note)
    onTestFinished(() => void process.off('uncaughtException', note))
    for (let n = 0; n < 5; n++) {
      const { SESSION_REDIS_TLS_CA } = certificates
      expect(await failure({ REDIS_URL: url, SESSION_REDIS_TLS_CA })).toMatchObject({ reason: 'certificate' })
    }
    expect(errors).toEqual([])
  })

  it('a file of certificates that is none fails the start', async () => {
    const error = await failure({ REDIS_URL: url, SESSION_REDIS_TLS_CA: file('names') })
    expect(error).toMatchObject({ code: 'ERR_SESSION_SETTING', message: expect.stringContaining('_CA') })
  })

  it('SESSION_REDIS_SENTINEL: servers with TLS and sentinels without, and the other way round', async () => {
    const plain = await redis()
    const sentinelOf = async (port: number, ...more: string[]) => {
      const sentinel = await RedisServer.startSentinelAt(await freePort(), folder => {
        const lines = [`sentinel monitor mymaster 127.0.0.1 ${port} 1`, ...more]
        writeFileSync(join(folder, 'sentinel.conf'), `${lines.join('\n')}\n`)
        return join(folder, 'sentinel.conf')
      })
      onTestFinished(() => sentinel.stop())
      return sentinel.port
    }
    const ofSecret = await sentinelOf(Number(new URL(url).port))
    await start({
      ...certificates,
      SESSION_REDIS_SENTINEL: `mymaster@127.0.0.1:${ofSecret}`,
      SESSION_REDIS_URL: url,
    })

    const tlsPort = await freePort()
    const tls = ['cert-file cert.pem', 'key-file key.pem', 'ca-cert-file ca.pem']
    const own = tls.map(each => `tls-${each.split(' ')[0]} ${file(each.split(' ')[1] ?? '')}`)
    await sentinelOf(plain.port, `tls-port ${tlsPort}`, ...own)
    const options = {
      name: 'mymaster',
      sentinelRootNodes: [{ host: '127.0.0.1', port: tlsPort }],
      sentinelClientOptions: { socket: { tls: true } },
    }
    await start({ ...certificates, SESSION_REDIS_SENTINEL: JSON.stringify(options) })
  })

  it('F17: a certificate that nobody vouches for fails the start', async () => {
    expect(await failure({ REDIS_URL: url })).toMatchObject({ reason: 'certificate' })
  })

  it('F17: rediss:// to a server that speaks no TLS, and redis:// to one that does, fail the start', async () => {
    const plain = { REDIS_URL: server.url.replace('redis:', 'rediss:'), ...certificates }
    expect(await failure(plain, { storeTimeout: 500 })).toMatchObject({ reason: 'timeout' })
    const talks = await serverOn(socket =>
      socket.on('error', () => undefined).write('HTTP/1.1 400 Bad\r\n\r\n'),
    )
    const http = { ...certificates, REDIS_URL: talks.url.replace('redis:', 'rediss:') }
    expect(await failure(http, { storeTimeout: 500 })).toMatchObject({ reason: 'no-tls' })
    expect((await failure({ REDIS_URL: url.replace('rediss:', 'redis:') })).message).toContain(
      'use rediss://',
    )
  })
})

it('starts on a network on which each way takes 200 ms', async () => {
  const server = await redis('--appendonly', 'yes')
  const proxy = await TcpProxy.to(server.port)
  onTestFinished(() => proxy.stop())
  proxy.weather = { late: 200 }
  const { log } = await start({ REDIS_URL: proxy.url })
  expect(log[0]).toContain('verified')
})

describe('SESSION_FALLBACK=filesystem', () => {
  it('keeps sessions in files if Redis can not be used, and warns with the reason', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sojourn-fallback-'))
    onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
    const env = { REDIS_URL: `redis://127.0.0.1:${await freePort()}`, SESSION_FALLBACK: 'filesystem' }
    const { sessions, log } = await start({ ...env, SESSION_DIR: directory })
    expect(sessions.store.name).toBe('filesystem')
    expect(log[0]).toMatch(/nothing listens there.*each keeps its own/)
    expect(log[1]).toContain('(SESSION_FALLBACK)')
  })
})

describe('an address that can not be meant', () => {
  it.each<[Environment, string]>([
    [{ REDIS_URL: `redis://:${password}/x@host:6379` }, 'percent-encoded'],
    [{ REDIS_URL: `redis://:${password}%zz@host:6379` }, 'percent-encoded'],
    [{ REDIS_URL: 'redis://host:6379/abc' }, 'number'],
    [{ REDIS_URL: `redis://default:4711?${password}@host:6379` }, 'percent-encoded'],
    [{ REDIS_URL: `redis://default:4711#${password}@host:6379` }, 'percent-encoded'],
    [{ SESSION_REDIS_CLUSTER: `redis://default:4711?${password}@host:6379` }, 'percent-encoded'],
    [{ SESSION_REDIS_CLUSTER: `redis://:${password}%zz@host:6379` }, 'percent-encoded'],
    [
      { SESSION_REDIS_CLUSTER: `{"rootNodes":[{"url":"redis://user:${password}/x@host:6379"}]}` },
      'percent-encoded',
    ],
    ...['sentinelClientOptions', 'nodeClientOptions'].map(
      place =>
        [
          {
            SESSION_REDIS_SENTINEL: JSON.stringify({
              name: 'mymaster',
              sentinelRootNodes: [{ host: 'host', port: 26379 }],
              [place]: { url: `redis://user:${password}/x@host:6379` },
            }),
          },
          'percent-encoded',
        ] as [Environment, string],
    ),
  ])('says what may be there, and no password: %o', async (env, word) => {
    const error = await failure(env)
    expect(error).toMatchObject({ code: 'ERR_SESSION_SETTING', message: expect.stringContaining(word) })
    expect(inspect(error)).not.toContain(password)
  })

  it('names the master that the sentinels do not know', async () => {
    const sentinels = await RedisSentinels.start()
    onTestFinished(() => sentinels.stop())
    const [{ port } = { port: 0 }] = sentinels.addresses
    const error = await failure({ SESSION_REDIS_SENTINEL: `other@127.0.0.1:${port}` })
    expect(error.message).toContain('no master of that name')
  })

  it('fails the start with a user who may read and not write', async () => {
    const server = await redis()
    await server.command('ACL', 'SETUSER', 'reader', 'on', `>${password}`, '~*', '+get', '+info', '+config')
    const env = { REDIS_URL: `redis://reader:${password}@127.0.0.1:${server.port}` }
    expect(await failure(env)).toMatchObject({ reason: 'permission' })
  })

  const needed = [
    'get',
    'set',
    'del',
    'strlen',
    'pttl',
    'eval',
    'evalsha',
    'time',
    'hget',
    'hset',
    'hdel',
    'hlen',
  ]
  needed.push('hexists', 'hgetall', 'hscan', 'hrandfield', 'pexpire')

  it.each(needed.slice(1))('fails the start with a user who may not %s, and says so', async command => {
    const server = await redis()
    // It has the script already: only after its next start would one miss `eval`.
    await start({ REDIS_URL: server.url })
    const all = needed.filter(each => each !== command)
    const rules = all.map(each => `+${each}`)
    await server.command('ACL', 'SETUSER', 'app', 'on', `>${password}`, '~session:*', ...rules)
    const error = await failure({ REDIS_URL: `redis://app:${password}@127.0.0.1:${server.port}` })
    expect(error).toMatchObject({ reason: 'permission', message: expect.stringContaining('+evalsha') })
    await server.command('ACL', 'SETUSER', 'app', `+${command}`)
    await start({ REDIS_URL: `redis://app:${password}@127.0.0.1:${server.port}` })
  })

  it('one server of a Cluster always fails the start, and says how to name them all', async () => {
    const cluster = await RedisCluster.start()
    onTestFinished(() => cluster.stop())
    for (const { url } of cluster.servers) {
      for (let n = 0; n < 10; n++)
        expect(await failure({ REDIS_URL: url })).toMatchObject({
          reason: 'cluster',
          message: expect.stringContaining('SESSION_REDIS_CLUSTER'),
        })
    }
  })

  it('the rules that README and the error name are enough, also for a database and for a Cluster', async () => {
    const readme = readFileSync(new URL('../README.md', import.meta.url), 'utf8')
    const named = [...new Set(readme.match(/\+[a-z]+(\|[a-z]+)?/g))]
    const [some, more] = [named.filter(rule => !/select|cluster|asking/.test(rule)), [...named]]
    const user = ['ACL', 'SETUSER', 'app', 'on', `>${password}`, '~session:*']
    const server = await redis()
    const env = { REDIS_URL: `redis://app:${password}@127.0.0.1:${server.port}/1` }
    await server.command(...user, ...some)
    expect(await failure(env)).toMatchObject({ message: expect.stringContaining('+select') })
    await server.command(...user, ...more)
    await start(env)

    const cluster = await RedisCluster.start()
    onTestFinished(() => cluster.stop())
    const all = (...words: string[]) => Promise.all(cluster.servers.map(each => each.command(...words)))
    await all(...user, ...some)
    const [{ port } = { port: 0 }] = cluster.addresses
    const ofCluster = { SESSION_REDIS_CLUSTER: `redis://app:${password}@127.0.0.1:${port}` }
    const error = await failure(ofCluster)
    expect(error).toMatchObject({ message: expect.stringContaining('+cluster|slots +asking') })
    await all(...user, ...more)
    const { sessions } = await start(ofCluster)

    // A session whose slot is just moving from one server to another.
    const now = Date.now()
    const { token } = await sessions.store.create({ data: {}, createdAt: now, expiresAt: now + 60_000 })
    const [one] = cluster.servers
    const from = one && (await cluster.masterOf(`session:${token}`, one))
    const to = cluster.servers.slice(0, 3).find(each => each !== from)
    if (from === undefined || to === undefined) throw new Error('no master')
    const slot = await from.command('CLUSTER', 'KEYSLOT', `session:${token}`)
    await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await from.command('CLUSTER', 'MYID'))
    await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', await to.command('CLUSTER', 'MYID'))
    await from.command('MIGRATE', '127.0.0.1', String(to.port), `session:${token}`, '0', '1000')
    expect(await sessions.store.load(token)).not.toBeNull()
  })
})
