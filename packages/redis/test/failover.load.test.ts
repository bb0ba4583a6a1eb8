import { setTimeout as sleep } from 'node:timers/promises'
import { RedisCluster, RedisSentinels, type RedisServer } from '@sojourn/redis-servers'
import { expect, it, onTestFinished } from 'vitest'
import { type RedisConnection, redisStore } from '../src/index.ts'
import { Load } from './load.ts'

const storeCount = 4

/** Waits until everything that a master was told by now has reached a replica; the time before which that holds. */
async function replicated(master: RedisServer): Promise<number> {
  const time = performance.now()
  const offset = Number(/master_repl_offset:(\d+)/.exec(await master.command('INFO', 'replication'))?.[1])
  for (;;) {
    const info = await master.command('INFO', 'replication')
    const reached = [...info.matchAll(/state=online,offset=(\d+)/g)].map(([, replica]) => Number(replica))
    if (reached.length > 0 && reached.every(each => each >= offset)) return time
    await sleep(10)
  }
}

async function poll<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask().catch(() => undefined)
    if (answer !== undefined) return answer
    await sleep(10)
  }
}

function openStores(connection: RedisConnection) {
  const stores = Array.from({ length: storeCount }, () => redisStore(connection))
  onTestFinished(async () => {
    await Promise.all(stores.map(store => store.close()))
  })
  return stores
}

/** Kills a master under load, waits for its successor, goes on for a while, and looks what is there. */
async function failover(
  row: string,
  load: Load,
  master: RedisServer,
  successor: () => Promise<RedisServer | undefined>,
  tokens: readonly string[],
): Promise<void> {
  await sleep(1000)
  const safe = await replicated(master)
  await master.kill()
  const killed = performance.now()
  await poll(successor)
  const promoted = performance.now()
  await sleep(2500)
  await load.stop()
  const losses = await load.losses(safe)
  const all = await load.losses(killed)
  const delays = load.delaysAfter(promoted, new Set(tokens))
  process.stdout.write(
    `${row}: ${load.acknowledged.length} operations acknowledged, ${load.refused} refused; promoted ${Math.round(promoted - killed)} ms after the kill, back ${Math.max(...delays)} ms later; of ${losses.acknowledged} acknowledged and replicated, lost ${losses.lostUpdates}, resurrected ${losses.resurrected}; of ${all.acknowledged - losses.acknowledged} acknowledged in the last moments before the kill, lost ${all.lostUpdates - losses.lostUpdates}, resurrected ${all.resurrected - losses.resurrected}\n`,
  )
  expect(load.odd).toEqual([])
  expect(losses).toMatchObject({ lostUpdates: 0, resurrected: 0 })
  expect(losses.acknowledged).toBeGreaterThan(500)
  for (const delay of delays) expect(delay).toBeLessThan(2000)
}

it('F12: Sentinel promotes a replica under load: what was replicated is there, and service is back', async () => {
  const sentinels = await RedisSentinels.start()
  onTestFinished(() => sentinels.stop())
  const stores = openStores({ name: sentinels.name, sentinelRootNodes: sentinels.addresses })
  const load = await Load.start(stores)
  const master = await poll(() => sentinels.master())
  const successor = async () => {
    const now = await sentinels.master()
    return now !== master && (await now?.command('ROLE'))?.startsWith('master') ? now : undefined
  }
  await failover('F12', load, master, successor, load.tokens)
})

it('F13: a master of a Cluster is killed under load: what was replicated is there, and service is back', async () => {
  const cluster = await RedisCluster.start()
  onTestFinished(() => cluster.stop())
  const stores = openStores({ rootNodes: cluster.addresses.map(socket => ({ socket })) })
  const load = await Load.start(stores)
  const [first, ...others] = cluster.servers
  if (first === undefined) throw new Error('a cluster has servers')
  const masters = new Map<string, RedisServer | undefined>()
  for (const token of load.tokens) masters.set(token, await cluster.masterOf(`session:${token}`, first))
  const tokens = load.tokens.filter(token => masters.get(token) === first)
  const key = `session:${tokens[0]}`
  await failover(
    'F13',
    load,
    first,
    async () => {
      for (const ask of others) {
        const now = await cluster.masterOf(key, ask)
        if (now !== undefined && now !== first) return now
      }
      return undefined
    },
    tokens,
  )
})
