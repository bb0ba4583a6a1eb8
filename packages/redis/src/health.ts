import { isSessionError } from '@sojourn/core/store-kit'
import { encodeChange, encodeRecord } from '@sojourn/keyv'
import { wrongClient } from './connection.ts'
import type { Link } from './link.ts'
import type { RedisAdapter } from './redis-adapter.ts'
import { sendTo } from './send.ts'

/** So many keys at random are hardly ever all those of one of several servers. */
const manyKeys = 16
/** Milliseconds after which what was tried out is gone, whatever happened to whoever did. */
const tryOutLife = 10_000
const noSpace = 'it is out of memory (maxmemory), so no session can begin or change: give it more'
/** Seconds that a replica may lag: Redis itself reports once a second. */
const longestLag = 5
/** Bytes of changes: some hundred sessions. */
const longestGap = 2 ** 20

interface Findings {
  /** What endangers sessions in these servers: see `StoreHealth`. */
  readonly warnings: readonly string[]
  /** Of the first of them. */
  readonly details: Readonly<Record<string, string | number>>
}

/** What is to be said of these servers. What a server's rules (ACL) forbid to ask is left out. */
export async function examine(link: Link): Promise<Findings> {
  const found = await link.run(async redis => {
    return Promise.all((await redis.getMasterNodes()).map(askServer))
  })
  const warnings = new Set(found.flatMap(facts => dangersOf(facts, link.replicated)))
  return { warnings: [...warnings], details: found[0] === undefined ? {} : detailsOf(found[0]) }
}

/**
 * Does with a key what is done with sessions: begins one, changes it, ends it. Resolves with what stands in the way of new
 * sessions alone.
 *
 * @param first whether it is the first time, so that it is not known whether the server answers for all keys
 * @throws SessionError if the server can not be used: ERR_SESSION_STORE_UNAVAILABLE with the reason, or
 * ERR_SESSION_SETTING if the client does not do what it is told
 */
export async function tryOut(adapter: RedisAdapter, key: string, first: boolean): Promise<string[]> {
  const now = Date.now()
  const expiresAt = now + tryOutLife
  const begin = () =>
    adapter.createIfAbsent(key, encodeRecord({ data: {}, createdAt: now, expiresAt }, 1), expiresAt)
  const absent = `${key}-absent`
  try {
    const [begun] = await Promise.all([
      begin(),
      adapter.delete(absent),
      adapter.life(absent),
      first && adapter.getAll(Array.from({ length: manyKeys }, (_, n) => `${key}-${n}`)),
    ])
    const [again] = await Promise.all([
      begin(),
      adapter.get(key),
      adapter.applyChangeAnew(key, encodeChange({ set: { tried: 'out' } })),
    ])
    await adapter.applyChange(key, encodeChange({ expiresAt: 0 }))
    if (begun && again) throw wrongClient()
    return []
  } catch (error) {
    if (!isSessionError(error) || error.reason !== 'full') throw error
    return [noSpace]
  }
}

interface ServerFacts {
  readonly info: Readonly<Record<string, string>>
  /** When Redis writes its data to disk, as `save` has it; `undefined` if it does not say. */
  readonly save: string | undefined
  /** By how many milliseconds its clock is ahead, as far as the way there lets that be known. */
  readonly clockDifference: number | undefined
}

async function askServer(client: object): Promise<ServerFacts> {
  const begun = Date.now()
  const asked = sendTo(client, 'TIME').then(time => timeOf(time) - (begun + Date.now()) / 2)
  const [info, config, difference] = await Promise.allSettled([
    sendTo(client, 'INFO'),
    sendTo(client, 'CONFIG', 'GET', 'save'),
    asked,
  ])
  // A list of name and value, or, in a newer version of the protocol, an object.
  const save: unknown = config.status === 'fulfilled' ? Object.values(config.value ?? {}).at(-1) : undefined
  return {
    info: info.status === 'fulfilled' ? parseInfo(String(info.value)) : {},
    save: typeof save === 'string' ? save : undefined,
    clockDifference: difference.status === 'fulfilled' ? finite(difference.value) : undefined,
  }
}

/** Epoch ms of the seconds and microseconds that Redis tells. */
function timeOf(reply: unknown): number {
  if (!Array.isArray(reply)) return Number.NaN
  const [seconds, microseconds] = reply.map(Number)
  return Number(seconds) * 1000 + Number(microseconds) / 1000
}

function finite(value: number): number | undefined {
  return Number.isFinite(value) ? Math.round(value) : undefined
}

function detailsOf({ info, save, clockDifference }: ServerFacts): Record<string, string | number> {
  const { redis_version: version, maxmemory_policy: evictionPolicy } = info
  const persistence = info.aof_enabled === '1' ? 'append-only file' : save ? 'snapshots' : undefined
  return {
    ...(version !== undefined && { version }),
    ...(evictionPolicy !== undefined && { evictionPolicy }),
    ...(persistence !== undefined && { persistence }),
    ...(clockDifference !== undefined && { clockDifference }),
  }
}

function dangersOf({ info, save }: ServerFacts, replicated: boolean): string[] {
  const policy = info.maxmemory_policy ?? 'noeviction'
  const replicas = Object.keys(info).filter(name => /^slave\d+$/.test(name))
  const offset = Number(info.master_repl_offset ?? 0)
  const behind = replicas.filter(name => isBehind(info[name] ?? '', offset))
  const isFull = Number(info.maxmemory) > 0 && Number(info.used_memory) >= Number(info.maxmemory)
  return [
    info.role === 'slave'
      ? 'the server is a replica that takes changes (replica-read-only no), which its master never learns of and undoes: connect to the master'
      : '',
    isFull && policy === 'noeviction' ? noSpace : '',
    policy === 'noeviction'
      ? ''
      : `the eviction policy is ${policy}, so live sessions end when memory is short: run CONFIG SET maxmemory-policy noeviction in redis-cli, and set maxmemory-policy noeviction in redis.conf`,
    info.aof_enabled === '0' && save === ''
      ? 'nothing is persisted, so all sessions end when the server does: run CONFIG SET appendonly yes in redis-cli, and set appendonly yes in redis.conf'
      : '',
    info.aof_last_write_status === 'err' || info.rdb_last_bgsave_status === 'err'
      ? 'the server can not write to its disk: see its log'
      : '',
    replicated && info.connected_slaves === '0'
      ? 'no replica follows a master, so nobody can take its place: start one, or see the log of the one that should'
      : '',
    behind.length > 0
      ? `${behind.length} of ${replicas.length} replicas are behind, so a failover would undo changes: see their logs, and the network between`
      : '',
  ].filter(warning => warning !== '')
}

/** `ip=...,port=...,state=online,offset=...,lag=1` */
function isBehind(replica: string, masterOffset: number): boolean {
  const { state, offset, lag } = Object.fromEntries(replica.split(',').map(fact => fact.split('=')))
  return state !== 'online' || Number(lag) > longestLag || masterOffset - Number(offset) > longestGap
}

/** Lines `name:value` between headings. */
function parseInfo(text: string): Record<string, string> {
  const facts: Record<string, string> = Object.create(null)
  for (const line of text.split(/\r?\n/)) {
    const colon = line.indexOf(':')
    if (colon > 0) facts[line.slice(0, colon)] = line.slice(colon + 1)
  }
  return facts
}
