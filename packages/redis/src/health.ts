import type { Link } from './link.ts'

/** What of a client of one server a look at its health needs. */
interface ServerClient {
  info(): Promise<string>
  configGet(name: string): Promise<unknown>
}

/** Seconds that a replica may lag: Redis itself reports once a second. */
const longestLag = 5
/** Bytes of changes: some hundred sessions. */
const longestGap = 2 ** 20

/**
 * What endangers sessions in these servers, one sentence each. What a server's rules (ACL) forbid to ask is left out.
 */
export async function dangers(link: Link): Promise<string[]> {
  const found = await link.run(async redis => {
    const nodes = (await redis.getMasterNodes()) as unknown as ServerClient[]
    return Promise.all(nodes.map(askServer))
  })
  return [...new Set(found.flatMap(dangersOf))]
}

interface ServerFacts {
  readonly info: Readonly<Record<string, string>>
  /** When Redis writes its data to disk, as `save` has it; `undefined` if it does not say. */
  readonly save: string | undefined
}

async function askServer(client: ServerClient): Promise<ServerFacts> {
  const [info, config] = await Promise.allSettled([client.info(), client.configGet('save')])
  const save: unknown = config.status === 'fulfilled' ? Object.entries(config.value ?? {})[0]?.[1] : undefined
  return {
    info: info.status === 'fulfilled' ? parseInfo(info.value) : {},
    save: typeof save === 'string' ? save : undefined,
  }
}

function dangersOf({ info, save }: ServerFacts): string[] {
  const policy = info.maxmemory_policy ?? 'noeviction'
  const replicas = Object.keys(info).filter(name => /^slave\d+$/.test(name))
  const offset = Number(info.master_repl_offset ?? 0)
  const behind = replicas.filter(name => isBehind(info[name] ?? '', offset))
  return [
    policy === 'noeviction'
      ? ''
      : `the eviction policy is ${policy}, so live sessions end when memory is short: set maxmemory-policy noeviction`,
    info.aof_enabled === '0' && save === ''
      ? 'nothing is persisted, so all sessions end when the server does: set appendonly yes'
      : '',
    info.aof_last_write_status === 'err' || info.rdb_last_bgsave_status === 'err'
      ? 'the server can not write to its disk: see its log'
      : '',
    behind.length > 0
      ? `${behind.length} of ${replicas.length} replicas are behind, so a failover would undo changes`
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
