import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionEvents } from '@sojourn/core'
import type { RedisServer, TcpProxy } from '@sojourn/redis-servers'
import { expect, it, onTestFinished } from 'vitest'
import { Fire } from './fire.ts'
import { onRedis, onRedisBehindProxy } from './stores.ts'

/** Milliseconds of work before a fault, and after it: service has two seconds to come back, and some are left to see it. */
const before = 300
const after = 2300

/** Works on sessions while the fault comes and goes, and on after it. */
async function workThrough(fire: Fire, fault: () => Promise<unknown>): Promise<void> {
  const sessions = await fire.createSessions(16)
  const working = fire.work({ sessions, pause: 10 })
  await sleep(before)
  await fire.trouble(fault)
  await sleep(after)
  await fire.work()
  await working
}

it.each([
  ['F10: Redis is killed and restarted, and writes each change to its file: all is there', 'always'],
  ['F10: Redis is killed and restarted, and persists nothing: a clean loss', 'none'],
])('%s', async (_, fsync) => {
  const keeps = fsync === 'always'
  const { redis, env } = await onRedis(...(keeps ? ['--appendonly', 'yes', '--appendfsync', 'always'] : []))
  const fire = await Fire.start(env)
  for (let round = 0; round < 2; round++) {
    await workThrough(fire, async () => {
      await redis.kill()
      await sleep(500)
      await redis.run()
    })
  }
  await fire.lookAtAll()
  if (!keeps) await fire.beginAnew()
  const history = fire.verify(`F10 appendfsync ${fsync}`, '2 kills', { losesSessions: !keeps })
  expect(history.some(({ result }) => result === 'gone')).toBe(!keeps)
})

it('F14: out of memory, without eviction: changes fail, sign-out works, nothing is lost', async () => {
  const { redis, env } = await onRedis()
  const fire = await Fire.start(env)
  const leaving = await fire.createSessions(3)
  await workThrough(fire, async () => {
    await redis.command('CONFIG', 'SET', 'maxmemory', '1')
    await sleep(1000)
    const answers = await Promise.all(leaving.map(session => fire.run('destroy', session)))
    expect(answers).toEqual(['done', 'done', 'done'])
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  })
  await fire.lookAtAll()
  const history = fire.verify('F14 noeviction', 'out of memory for a second')
  expect(history.filter(({ result }) => result === 'unknown').length).toBeGreaterThan(10)
})

it('F14: out of memory, with eviction: whoever is evicted is signed out, and health says so', async () => {
  const { redis, env } = await onRedis('--maxmemory-policy', 'allkeys-lru')
  const fire = await Fire.start(env)
  expect((await fire.health()).warnings.join()).toContain('allkeys-lru')
  await workThrough(fire, async () => {
    const used = Number(/used_memory:(\d+)/.exec(await redis.command('INFO', 'memory'))?.[1])
    await redis.command('CONFIG', 'SET', 'maxmemory', String(used - 20_000))
    await sleep(1000)
    await redis.command('CONFIG', 'SET', 'maxmemory', '0')
  })
  await fire.lookAtAll()
  const evicted = Number(/evicted_keys:(\d+)/.exec(await redis.command('INFO', 'stats'))?.[1])
  expect(evicted).toBeGreaterThan(0)
  fire.verify('F14 allkeys-lru', `${evicted} sessions evicted`, { losesSessions: true })
})

it('F15: connections are killed 20 times a second, scripts are flushed', async () => {
  const { redis, env } = await onRedis()
  const fire = await Fire.start(env)
  await workThrough(fire, async () => {
    for (let round = 0; round < 100; round++) {
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      if (round % 5 === 0) await redis.command('SCRIPT', 'FLUSH')
      await sleep(50)
    }
  })
  await fire.lookAtAll()
  fire.verify('F15', 'connections killed 100 times, scripts flushed 20 times')
})

it.each<[string, (proxy: TcpProxy) => void]>([
  ['200 ms late', proxy => (proxy.weather = { late: 200 })],
  ['byte by byte', proxy => (proxy.weather = 'trickle')],
  ['half open', proxy => proxy.strand()],
  ['nowhere', proxy => (proxy.weather = 'nowhere')],
  ['reset', proxy => proxy.reset()],
])('F16: the network to Redis: %s', async (name, spoil) => {
  const { proxy, env } = await onRedisBehindProxy()
  const fire = await Fire.start(env)
  await workThrough(fire, async () => {
    spoil(proxy)
    await sleep(2500)
    proxy.weather = 'fair'
  })
  await fire.lookAtAll()
  fire.verify(`F16 ${name}`, '2.5 s of it')
})

/** What Redis may answer instead of doing its work: how it comes to that, and how it is mended. */
const refusals: Record<string, (redis: RedisServer, proxy: TcpProxy) => Promise<unknown>> = {
  async READONLY(redis) {
    await redis.command('REPLICAOF', '127.0.0.1', '1')
    await sleep(1000)
    await redis.command('REPLICAOF', 'NO', 'ONE')
  },
  async LOADING(redis) {
    await redis.command('DEBUG', 'POPULATE', '200000', 'other', '50')
    await redis.command('BGREWRITEAOF')
    while (!(await redis.command('INFO', 'persistence')).includes('aof_rewrite_in_progress:0'))
      await sleep(20)
    await redis.kill()
    await redis.run('--key-load-delay', '5', '--loading-process-events-interval-bytes', '1024')
    let refused = 0
    for (; (await redis.command('PING')).startsWith('LOADING'); await sleep(20)) refused++
    expect(refused).toBeGreaterThan(5)
  },
  async MISCONF(redis) {
    rmSync(redis.folder, { recursive: true })
    await redis.command('CONFIG', 'SET', 'save', '1 1')
    while (!(await redis.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'))
      await sleep(20)
    await sleep(500)
    await redis.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no')
  },
  async NOAUTH(redis) {
    await redis.command('CONFIG', 'SET', 'requirepass', 'another')
    await redis.command('-a', 'another', 'CLIENT', 'KILL', 'TYPE', 'normal')
    await sleep(1000)
    await redis.command('-a', 'another', 'CONFIG', 'SET', 'requirepass', '')
  },
  async BUSY(redis) {
    await redis.command('CONFIG', 'SET', 'busy-reply-threshold', '50')
    const endless = redis.command('EVAL', 'while true do end', '0').catch(() => {})
    await sleep(1500)
    await redis.command('SCRIPT', 'KILL')
    await endless
  },
  async garbage(_, proxy) {
    proxy.weather = 'garbage'
    await sleep(1000)
    proxy.weather = 'fair'
  },
}

/** What operators are told of it. */
const reasonFor: Record<string, string> = {
  READONLY: 'replica',
  LOADING: 'loading',
  MISCONF: 'disk',
  NOAUTH: 'password',
  BUSY: 'timeout',
  garbage: 'not-redis',
}

/** Changes a session again and again while `work` goes on; why that failed. */
async function reasonsDuring(fire: Fire, work: () => Promise<unknown>): Promise<Set<string>> {
  const reasons = new Set<string>()
  const note = (event: unknown) => reasons.add((event as SessionEvents['sojourn:unavailable']).reason)
  subscribe('sojourn:unavailable', note)
  onTestFinished(() => void unsubscribe('sojourn:unavailable', note))
  const sessions = await fire.createSessions(1)
  let isOver = false
  const change = async () => {
    for (; !isOver; await sleep(10)) for (const session of sessions) await fire.run('set', session)
  }
  const changing = change()
  await work()
  isOver = true
  await changing
  return reasons
}

it.each(Object.entries(refusals))('F17: Redis answers %s', async (name, refuse) => {
  const { redis, proxy, env } = await onRedisBehindProxy(
    '--appendonly',
    'yes',
    '--appendfsync',
    'always',
    '--enable-debug-command',
    'yes',
  )
  const fire = await Fire.start(env)
  let reasons = new Set<string>()
  await workThrough(fire, async () => {
    reasons = await reasonsDuring(fire, () => refuse(redis, proxy))
  })
  expect([...reasons]).toContain(reasonFor[name])
  await fire.lookAtAll()
  const history = fire.verify(`F17 ${name}`, 'for a second or more')
  expect(history.some(({ result }) => result === 'unknown')).toBe(true)
})
