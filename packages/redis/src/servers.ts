import { setTimeout as sleep } from 'node:timers/promises'
import KeyvRedis, {
  createClient,
  createCluster,
  type RedisClientConnectionType,
  type RedisClientOptions,
  type RedisClusterOptions,
} from '@keyv/redis'
import { SessionError, settleWithin } from '@sojourn/core/store-kit'
import {
  checkedConnection,
  isClient,
  isClusterOptions,
  isSentinelOptions,
  type RedisConnection,
  type RedisSentinelOptions,
  type RedisTls,
  staleClient,
} from './connection.ts'
import { sendTo } from './send.ts'
import { isGarbled, redisUnavailable, tooLate } from './trouble.ts'

/** A server, or several that act as one, to which connections can be opened. */
export interface Servers {
  /** For messages: hosts and ports, or what else it is; never a password. */
  readonly at: string
  /** Whether a connection that broke is to be replaced by a new one. */
  readonly replaceable: boolean
  /** Whether others are to follow the one that is written to. */
  readonly replicated?: boolean
  /** A new connection, ready for commands, as the servers are arranged now. Rejects in time. */
  open(): Promise<KeyvRedis<string>>
  /** Called at the end, if what is open then is not to be closed as usual. */
  readonly close?: () => Promise<void>
}

interface Limits {
  /** Milliseconds for connecting, and for an answer. */
  readonly timeout: number
  readonly tls?: RedisTls | undefined
}

/** What clients of all kinds have in common. */
export interface Client {
  readonly isOpen: boolean
  connect(): Promise<unknown>
  close(): Promise<unknown> | unknown
  destroy(): unknown
  on(event: 'error' | 'node-error', listener: (error: unknown) => void): unknown
}

export function serversOf(connection: RedisConnection, limits: Limits): Servers {
  const options = checkedConnection(connection)
  if (isClient(options)) return givenClient(options, limits)
  if (isClusterOptions(options)) return cluster(options, limits)
  if (isSentinelOptions(options)) return sentinel(options, limits)
  return oneServer(options, limits)
}

function oneServer(options: RedisClientOptions, limits: Limits): Servers {
  return {
    at: `at ${addressOf(options)}`,
    replaceable: true,
    open: async () => keyv(await connected(createClient(withLimits(options, limits)), limits)),
  }
}

/**
 * Whoever made the client decides how it reconnects, and when it is closed. One that is not open yet, or that closed itself
 * because of an error, is opened here, and then closed in the end.
 */
function givenClient(client: RedisClientConnectionType, { timeout }: Limits): Servers {
  let redis: KeyvRedis<string> | undefined
  let isOpenedHere = false
  /** Why it is not ready; a client that tries again and again tells nobody else. */
  let trouble: unknown
  /** Whether an error closed it, or was such that it is closed here; one from after its end is from an attempt to connect. */
  let isBroken = false
  let isEnded = false
  const listen = (error: unknown) => {
    trouble = error
    isBroken ||= isGarbled(error) || (closesItself(client) && !client.isOpen && !isEnded)
  }
  const end = () => {
    isEnded = true
  }
  const forget = () => {
    trouble = undefined
    isBroken = isEnded = false
  }
  return {
    at: 'of the client that was given',
    replaceable: false,
    replicated: 'masters' in client,
    async open() {
      if (!client.listeners('error').includes(listen))
        client.on('error', listen).on('end', end).on('ready', forget)
      if (redis !== undefined && !client.isOpen && !isOpenedHere && !isBroken)
        throw new Error('its owner has closed the client')
      isOpenedHere ||= !client.isOpen
      // Those who wait for it are told why, before their own time is over.
      if (!isUsable(client)) {
        await usable(client, 0.9 * timeout).catch((error: unknown) => {
          throw trouble ?? error
        })
      }
      forget()
      if (asksReplicas(client)) throw staleClient()
      redis ??= keyv(client)
      return redis
    },
    async close() {
      client.off('error', listen).off('end', end).off('ready', forget)
      if (!isOpenedHere) return
      client.on('error', () => undefined)
      const closing = (async () => client.close())()
      await settleWithin(closing, timeout, tooLate).catch(() => undefined)
      discard(client)
    },
  }
}

/** Whether it is a Cluster's that does; no other kind lets it be seen. */
function asksReplicas(client: object): boolean {
  const slots: unknown = 'slots' in client && client.slots
  return Array.isArray(slots) && slots.some((slot: object) => 'replicas' in slot)
}

/** Of its kinds only the single client does, if its `reconnectStrategy` says so. */
function closesItself(client: RedisClientConnectionType): boolean {
  return 'socketEpoch' in client
}

/** Opens a client that is closed, and waits until it can be used, whoever opened it: its kinds tell that in different ways. */
async function usable(client: RedisClientConnectionType, timeout: number): Promise<void> {
  let failed: { readonly error: unknown } | undefined
  if (!client.isOpen) {
    client.connect().catch((error: unknown) => {
      failed = { error }
    })
  }
  for (const end = performance.now() + timeout; !isUsable(client); await sleep(10)) {
    if (failed !== undefined) throw failed.error
    if (performance.now() >= end) throw tooLate(timeout)
  }
}

/** A Cluster is as soon as it knows its masters. */
function isUsable(client: RedisClientConnectionType): boolean {
  if (!client.isOpen) return false
  if ('masters' in client) return client.masters.length > 0
  return !('isReady' in client) || client.isReady
}

/**
 * node-redis asks a cluster for its topology once, and again only when a node that lives says MOVED: after the death
 * of a master nobody does. So a new client is made whenever one finds a node gone; connecting to each node only when
 * it is needed, because the dead one is among them until its replica is promoted.
 */
function cluster(options: RedisClusterOptions, limits: Limits): Servers {
  const { defaults: given = {}, rootNodes } = options
  // The nodes that it names later speak as the first do.
  const own = rootNodes.some(speaksTls)
    ? { ...given, socket: { ...given.socket, tls: true as const } }
    : given
  return {
    at: `Cluster at ${options.rootNodes.map(addressOf).join(', ')}`,
    replaceable: true,
    replicated: true,
    open: async () => {
      const defaults = withLimits(own, limits)
      const rootNodes = options.rootNodes.map(node => withShortTime(node, limits))
      const client = createCluster({ ...options, rootNodes, defaults, minimizeConnections: true })
      return keyv(await connected(client, limits, true))
    },
  }
}

/** docs/decisions/0007 says why this is not node-redis' own client for Sentinel. */
function sentinel(options: RedisSentinelOptions, limits: Limits): Servers {
  const { name, sentinelRootNodes, nodeAddressMap } = options
  const nodes = [...sentinelRootNodes]
  const addresses = sentinelRootNodes.map(({ host, port }) => `${host}:${port}`).join(', ')
  const asking = { ...limits, timeout: Math.ceil(limits.timeout / 4) }

  /** Servers, sentinels, or both may speak TLS; the certificates are for those that do. */
  function certified(own: RedisClientOptions, { tls, ...rest }: Limits): Limits {
    const some = [options.nodeClientOptions, options.sentinelClientOptions]
    const isFor = speaksTls(own) || !some.some(each => each !== undefined && speaksTls(each))
    return { ...rest, tls: isFor ? tls : undefined }
  }

  /** The one that answers is asked first the next time. */
  async function master(): Promise<{ host: string; port: number }> {
    let failure: unknown
    for (const node of [...nodes]) {
      try {
        const own = {
          ...options.sentinelClientOptions,
          socket: { ...options.sentinelClientOptions?.socket, ...node },
        }
        const client = await connected(createClient(withLimits(own, certified(own, asking))), asking)
        const asked = sendTo(client, 'SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)
        const answer: unknown = await settleWithin(asked, asking.timeout, tooLate).finally(() =>
          discard(client),
        )
        if (!Array.isArray(answer))
          throw redisUnavailable('no-master', `master ${name} of the sentinels at ${addresses}`)
        nodes.sort((a, b) => Number(b === node) - Number(a === node))
        return mapped(String(answer[0]), Number(answer[1]))
      } catch (error) {
        failure = error
      }
    }
    throw failure
  }

  function mapped(host: string, port: number): { host: string; port: number } {
    const address = `${host}:${port}`
    const map = nodeAddressMap
    return (typeof map === 'function' ? map(address) : map?.[address]) ?? { host, port }
  }

  return {
    at: `master ${name} of the sentinels at ${addresses}`,
    replaceable: true,
    replicated: true,
    open: async () => {
      const own = {
        ...options.nodeClientOptions,
        socket: { ...options.nodeClientOptions?.socket, ...(await master()) },
      }
      const client = await connected(createClient(withLimits(own, certified(own, limits))), limits)
      // A sentinel may be the last to know: who was the master an instant ago says so itself.
      const role: unknown = await settleWithin(sendTo(client, 'ROLE'), limits.timeout, tooLate).catch(
        error => {
          discard(client)
          throw error
        },
      )
      if (Array.isArray(role) && role[0] === 'master') return keyv(client)
      discard(client)
      throw new Error('READONLY the sentinels do not agree on the master yet')
    },
  }
}

/** Their defaults turn an outage into "no session", and a failed write into a success. */
function keyv(client: RedisClientConnectionType): KeyvRedis<string> {
  const redis = new KeyvRedis<string>(client, { throwOnErrors: true, throwOnConnectError: true })
  // Every error also rejects the command that it belongs to.
  redis.on('error', () => undefined)
  return redis
}

/**
 * No offline queue and no reconnecting behind our back: a command fails at once, and a command that was sent is never
 * sent again. A connection on which nothing came for the time of two pings is dead.
 */
function withLimits(options: RedisClientOptions, { timeout, tls }: Limits): RedisClientOptions {
  if (tls !== undefined && !speaksTls(options))
    throw new SessionError(
      'ERR_SESSION_SETTING',
      'The certificates are for a connection with TLS, and this is one without: use rediss:// instead of redis://.',
    )
  const socket = { connectTimeout: timeout, socketTimeout: timeout, ...options.socket, ...tls }
  return {
    pingInterval: Math.ceil(timeout / 2),
    ...options,
    disableOfflineQueue: true,
    socket: { ...socket, reconnectStrategy: false } as NonNullable<RedisClientOptions['socket']>,
  }
}

function speaksTls({ url, socket }: RedisClientOptions): boolean {
  const isTls = url !== undefined && new URL(url).protocol === 'rediss:'
  return isTls || (socket !== undefined && 'tls' in socket && socket.tls === true)
}

/** For asking one of several where the others are: one that hangs must leave time for the next. */
function withShortTime(options: RedisClientOptions, { timeout }: Limits): RedisClientOptions {
  const short = Math.ceil(timeout / 4)
  return { ...options, socket: { ...options.socket, connectTimeout: short, socketTimeout: short } }
}

/**
 * The client, once it is connected; its own error if it can't be, which says more than that it took too long.
 *
 * @param several whether it tries one server after the other, so that an error of one is not the end
 */
async function connected<C extends Client>(client: C, { timeout }: Limits, several = false): Promise<C> {
  let seen: unknown
  // node-redis waits for an answer to its greeting even after the connection broke.
  const broken = new Promise<never>((_, reject) => {
    client.on('error', error => {
      seen ??= error
      if (!several) reject(error)
    })
  })
  try {
    await settleWithin(Promise.race([client.connect(), broken]), timeout, tooLate)
    return client
  } catch (error) {
    discard(client)
    throw seen ?? error
  }
}

/** Closes a client at once, whatever its state. */
export function discard(client: Client): void {
  try {
    Promise.resolve(client.destroy()).catch(() => undefined)
  } catch {
    // It was closed already.
  }
}

function addressOf({ url, socket }: RedisClientOptions): string {
  if (url !== undefined) return new URL(url).host
  if (socket !== undefined && 'path' in socket && socket.path) return socket.path
  const { host = 'localhost', port = 6379 } = { ...socket } as { host?: string; port?: number }
  return `${host}:${port}`
}
