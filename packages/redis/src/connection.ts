import { readFileSync } from 'node:fs'
import type {
  createSentinel,
  RedisClientConnectionType,
  RedisClientOptions,
  RedisClusterOptions,
} from '@keyv/redis'
import type { Environment } from '@sojourn/core'
import { SessionError } from '@sojourn/core/store-kit'

/** Options of a Sentinel set-up, as node-redis has them: `name` and `sentinelRootNodes`. */
export type RedisSentinelOptions = Parameters<typeof createSentinel>[0]

/**
 * Where Redis is: a URL (`redis://`, `rediss://`), options of node-redis for one server, for a Cluster (`rootNodes`)
 * or for Sentinel (`sentinelRootNodes`), or a client of your own, which then reconnects as you set it. The last three
 * may also be named.
 */
export type RedisConnection =
  | string
  | RedisClientOptions
  | RedisClusterOptions
  | RedisSentinelOptions
  | RedisClientConnectionType
  | { readonly client: RedisClientConnectionType }
  | { readonly cluster: RedisClusterOptions }
  | { readonly sentinel: RedisSentinelOptions }

type Unnamed = RedisClientOptions | RedisClusterOptions | RedisSentinelOptions | RedisClientConnectionType

/**
 * What is to be connected to.
 *
 * @throws SessionError ERR_SESSION_SETTING
 */
export function checkedConnection(connection: RedisConnection): Unnamed {
  if (typeof connection === 'string') return { url: checkedUrl(connection) }
  const own = isObject(connection) ? unnamed(connection) : undefined
  const known =
    own !== undefined &&
    (isClient(own) ||
      (isClusterOptions(own) && own.rootNodes.length > 0) ||
      (isSentinelOptions(own) && own.sentinelRootNodes.length > 0) ||
      ['url', 'socket'].some(name => name in own))
  if (!known)
    throw bad(
      'The connection of redisStore',
      'must be a URL such as redis://host:6379, options with url, socket, rootNodes or sentinelRootNodes, or a client of node-redis',
    )
  if (isClient(own) && typeof own.isOpen !== 'boolean') throw wrongClient()
  for (const place of optionsIn(own).filter(isObject)) {
    if ('url' in place && typeof place.url === 'string') checkedUrl(place.url)
    refuseStaleReads(place)
  }
  return own
}

/** One that is not node-redis', or an older one, which takes no notice of the expiry. */
export function wrongClient(): SessionError {
  return bad('The client given to redisStore', "must be one of node-redis 5 or later (the package 'redis')")
}

/** One of a Cluster that asks replicas. After a failover it may do so even with what it sends to masters. */
export function staleClient(): SessionError {
  return bad(
    'The Cluster given to redisStore',
    `must be one without useReplicas, such as cluster.duplicate({ useReplicas: false }): ${whyNoReplica}`,
  )
}

const whyNoReplica = 'a replica or a cache may not know yet that a session has ended'

/** @throws SessionError ERR_SESSION_SETTING for what would have sessions read from elsewhere than a master */
function refuseStaleReads(options: object): void {
  const stale = ['useReplicas', 'replicaPoolSize', 'readonly', 'clientSideCache']
  const [name] = Object.entries(options).find(([name, value]) => stale.includes(name) && value) ?? []
  if (name !== undefined) throw bad(`The option ${name}`, `must be left out for sessions: ${whyNoReplica}`)
}

/** The options, and those for single servers in them. */
function optionsIn(options: Unnamed): unknown[] {
  if (isClient(options)) return []
  if (isClusterOptions(options)) return [options, ...options.rootNodes, options.defaults]
  if (!isSentinelOptions(options)) return [options]
  return [options, options.nodeClientOptions, options.sentinelClientOptions]
}

function unnamed(connection: Exclude<RedisConnection, string>): Unnamed {
  if (isClient(connection)) return connection
  if ('client' in connection) return connection.client
  if ('cluster' in connection) return connection.cluster
  return 'sentinel' in connection ? connection.sentinel : connection
}

/** Certificates for `rediss://`, as `tls.connect` takes them: PEM texts, the server's name. */
export interface RedisTls {
  readonly ca?: string | Buffer
  readonly cert?: string | Buffer
  readonly key?: string | Buffer
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
}

export function isClient(connection: object): connection is RedisClientConnectionType {
  return 'connect' in connection && typeof connection.connect === 'function'
}

export function isClusterOptions(connection: object): connection is RedisClusterOptions {
  return 'rootNodes' in connection
}

export function isSentinelOptions(connection: object): connection is RedisSentinelOptions {
  return 'sentinelRootNodes' in connection
}

/**
 * The connection that the environment names: `SESSION_REDIS_CLUSTER`, else `SESSION_REDIS_SENTINEL`, else
 * `SESSION_REDIS_URL`, else `REDIS_URL`, else Redis on this machine.
 *
 * @throws SessionError ERR_SESSION_SETTING if it can't be understood
 */
export function connectionFrom(env: Environment): RedisConnection {
  if (env.SESSION_REDIS_CLUSTER) return clusterFrom(env.SESSION_REDIS_CLUSTER)
  if (env.SESSION_REDIS_SENTINEL) return sentinelFrom(env.SESSION_REDIS_SENTINEL, env)
  return checkedUrl(env.SESSION_REDIS_URL || env.REDIS_URL || 'redis://127.0.0.1:6379')
}

/**
 * Certificates from the files that `SESSION_REDIS_TLS_CA`, `_CERT` and `_KEY` name.
 *
 * @throws SessionError ERR_SESSION_SETTING if one can't be read
 */
export function tlsFrom(env: Environment): RedisTls | undefined {
  const files = {
    ca: env.SESSION_REDIS_TLS_CA,
    cert: env.SESSION_REDIS_TLS_CERT,
    key: env.SESSION_REDIS_TLS_KEY,
  }
  const given = Object.entries(files).filter(([, file]) => file)
  if (given.length === 0) return undefined
  return Object.fromEntries(given.map(([name, file = '']) => [name, readPem(name, file)]))
}

function readPem(name: string, file: string): Buffer {
  try {
    const pem = readFileSync(file)
    if (!pem.includes('-----BEGIN ')) throw new Error('no PEM')
    return pem
  } catch (cause) {
    throw bad(
      `SESSION_REDIS_TLS_${name.toUpperCase()}`,
      'must be the path of a PEM file that can be read',
      cause,
    )
  }
}

/** `host:port,host:port`, URLs instead where a user, a password or TLS is needed, or options as JSON. */
function clusterFrom(text: string): RedisClusterOptions {
  const name = 'SESSION_REDIS_CLUSTER'
  if (/^\s*\{/.test(text)) {
    const options: unknown = parseJson(name, text)
    if (isObject(options) && isClusterOptions(options)) return options
    throw bad(name, 'as JSON must have rootNodes')
  }
  const urls = listOf(text).map(
    each => new URL(checkedUrl(each.includes('://') ? each : `redis://${each}`, name)),
  )
  const [first] = urls
  if (first === undefined) throw bad(name, 'must be a list such as host1:6379,host2:6379')
  // The nodes that the cluster names later need the same user, password and TLS.
  return {
    rootNodes: urls.map(({ href }) => ({ url: href })),
    defaults: {
      ...credentialsIn(first),
      ...(first.protocol === 'rediss:' && { socket: { tls: true as const } }),
    },
  }
}

/**
 * `name@host:port,host:port`, with `user:password@` before a host if the sentinels want it, or options as JSON. User,
 * password, database and TLS of the servers are those of `SESSION_REDIS_URL`, whose host does not count then.
 */
function sentinelFrom(text: string, env: Environment): RedisSentinelOptions {
  const setting = 'SESSION_REDIS_SENTINEL'
  if (/^\s*\{/.test(text)) {
    const options: unknown = parseJson(setting, text)
    if (isObject(options) && isSentinelOptions(options)) return options
    throw bad(setting, 'as JSON must have name and sentinelRootNodes')
  }
  const [, name = '', nodes = ''] = /^\s*([^@,\s]+)@(.*)$/.exec(text) ?? []
  const urls = listOf(nodes).map(each => new URL(checkedUrl(`redis://${each}`, setting)))
  const sentinelRootNodes = urls.map(({ hostname, port }) => {
    return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 26_379) }
  })
  if (sentinelRootNodes.length === 0) {
    throw bad(
      setting,
      'must be the name of the master and its sentinels, such as mymaster@host1:26379,host2:26379',
    )
  }
  const server = new URL(checkedUrl(env.SESSION_REDIS_URL || 'redis://any'))
  const database = server.pathname.slice(1)
  const withCredentials = urls.find(({ username, password }) => username !== '' || password !== '')
  return {
    name,
    sentinelRootNodes,
    ...(withCredentials && { sentinelClientOptions: credentialsIn(withCredentials) }),
    nodeClientOptions: {
      ...credentialsIn(server),
      ...(database !== '' && { database: Number(database) }),
      ...(server.protocol === 'rediss:' && { socket: { tls: true as const } }),
    },
  }
}

function credentialsIn({ username, password }: URL): { username?: string; password?: string } {
  return {
    ...(username !== '' && { username: decodeURIComponent(username) }),
    ...(password !== '' && { password: decodeURIComponent(password) }),
  }
}

/** @throws SessionError ERR_SESSION_SETTING */
function checkedUrl(url: string, setting = 'the Redis URL'): string {
  if (!URL.canParse(url) || !/^rediss?:$/.test(new URL(url).protocol))
    throw bad(
      setting,
      'must be like redis://user:password@host:6379, with user and password percent-encoded, or rediss:// for TLS',
    )
  const { username, password, pathname, search, hash } = new URL(url)
  if (`${pathname}${search}${hash}`.includes('@') || !isEncoded(username) || !isEncoded(password))
    throw bad(setting, 'must have its user and password percent-encoded, as encodeURIComponent does it')
  if (!/^(\/\d*)?$/.test(pathname)) throw bad(setting, 'must end with the number of a database, or nothing')
  return url
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text)
    return true
  } catch {
    return false
  }
}

function listOf(text: string): string[] {
  return text
    .split(',')
    .map(each => each.trim())
    .filter(each => each !== '')
}

function parseJson(setting: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    throw bad(setting, 'is not valid JSON')
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function bad(setting: string, must: string, cause?: unknown): SessionError {
  return new SessionError('ERR_SESSION_SETTING', `${setting} ${must}.`, { cause })
}
