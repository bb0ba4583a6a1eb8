import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts } from './ports.ts'
import { RedisServer } from './redis-server.ts'

const name = 'mymaster'
const quorum = '2'

/** A real Sentinel set-up on loopback: a master, two replicas, three sentinels. */
export class RedisSentinels {
  readonly name: string = name
  readonly servers: readonly RedisServer[]
  readonly sentinels: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[], sentinels: readonly RedisServer[]) {
    this.servers = servers
    this.sentinels = sentinels
  }

  static async start(): Promise<RedisSentinels> {
    const ports = await freePorts(6)
    const [masterPort = 0, ...replicaPorts] = ports.slice(0, 3)
    const master = await RedisServer.startAt(masterPort)
    const replicaOf = ['--replicaof', '127.0.0.1', String(masterPort)]
    const replicas = await Promise.all(replicaPorts.map(port => RedisServer.startAt(port, ...replicaOf)))
    const sentinels = await Promise.all(ports.slice(3).map(port => startSentinel(port, masterPort)))
    const all = new RedisSentinels([master, ...replicas], sentinels)
    await all.#settled()
    return all
  }

  get addresses(): { host: string; port: number }[] {
    return this.sentinels.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** The master, as the first sentinel sees it. */
  async master(): Promise<RedisServer | undefined> {
    const answer = await this.sentinels[0]?.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)
    const port = Number(answer?.split('\n')[1])
    return this.servers.find(server => server.port === port)
  }

  async stop(): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map(server => server.stop()))
  }

  /** Until every sentinel knows the other two and both replicas, and the replicas are online. */
  async #settled(): Promise<void> {
    for (let i = 0; i < 500; i++) {
      const replication = (await this.servers[0]?.command('INFO', 'replication')) ?? ''
      const views = await Promise.all(this.sentinels.map(each => each.command('INFO', 'sentinel')))
      const online = (replication.match(/state=online/g) ?? []).length === 2
      if (online && views.every(view => /status=ok.*slaves=2,sentinels=3/.test(view))) return
      await sleep(20)
    }
    throw new Error('the sentinels did not come together')
  }
}

/** A sentinel keeps what it learns in its configuration file. */
function startSentinel(port: number, masterPort: number): Promise<RedisServer> {
  return RedisServer.startSentinelAt(port, folder => {
    const file = join(folder, 'sentinel.conf')
    const lines = [
      `sentinel monitor ${name} 127.0.0.1 ${masterPort} ${quorum}`,
      `sentinel down-after-milliseconds ${name} 1000`,
      `sentinel failover-timeout ${name} 3000`,
    ]
    writeFileSync(file, `${lines.join('\n')}\n`)
    return file
  })
}
