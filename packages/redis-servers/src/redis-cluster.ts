import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePorts } from './ports.ts'
import { RedisServer } from './redis-server.ts'

const run = promisify(execFile)

/** A real Redis Cluster of 3 masters with a replica each, on loopback. */
export class RedisCluster {
  readonly servers: readonly RedisServer[]

  private constructor(servers: readonly RedisServer[]) {
    this.servers = servers
  }

  /** @param options of each server, as on redis-server's command line */
  static async start(...options: string[]): Promise<RedisCluster> {
    const ports = await freePorts(12)
    const cluster = new RedisCluster(
      await Promise.all(
        ports.slice(0, 6).map((port, index) => {
          const own = ['--cluster-enabled', 'yes', '--cluster-port', String(ports[index + 6])]
          return RedisServer.startAt(port, ...own, '--cluster-node-timeout', '1000', ...options)
        }),
      ),
    )
    const nodes = cluster.addresses.map(({ host, port }) => `${host}:${port}`)
    await run('redis-cli', ['--cluster', 'create', ...nodes, '--cluster-replicas', '1', '--cluster-yes'])
    await cluster.#settled()
    return cluster
  }

  get addresses(): { host: string; port: number }[] {
    return this.servers.map(({ port }) => ({ host: '127.0.0.1', port }))
  }

  /** The server that has the key, as a server that lives sees it. */
  async masterOf(key: string, ask: RedisServer): Promise<RedisServer | undefined> {
    const slot = Number(await ask.command('CLUSTER', 'KEYSLOT', key))
    const lines = (await ask.command('CLUSTER', 'NODES')).split('\n').map(line => line.split(' '))
    const owner = lines.find(([, , flags = '', , , , , , ...slots]) => {
      return /master/.test(flags) && !/fail/.test(flags) && slots.some(range => isIn(slot, range))
    })
    const port = Number(/:(\d+)@/.exec(owner?.[1] ?? '')?.[1])
    return this.servers.find(server => server.port === port)
  }

  async stop(): Promise<void> {
    await Promise.all(this.servers.map(server => server.stop()))
  }

  /** Until every server says that the cluster is whole and every replica is online. */
  async #settled(): Promise<void> {
    for (let i = 0; i < 500; i++) {
      const states = await Promise.all(
        this.servers.map(async server => {
          const cluster = await server.command('CLUSTER', 'INFO')
          const replication = await server.command('INFO', 'replication')
          return /cluster_state:ok/.test(cluster) && /state=online|master_link_status:up/.test(replication)
        }),
      )
      if (states.every(Boolean)) return
      await sleep(20)
    }
    throw new Error('the cluster did not come together')
  }
}

function isIn(slot: number, range: string): boolean {
  const [from = Number.NaN, to = from] = range.split('-').map(Number)
  return from <= slot && slot <= to
}
