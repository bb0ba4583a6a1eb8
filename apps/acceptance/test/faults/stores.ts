import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RedisServer, TcpProxy } from '@sojourn/redis-servers'
import { onTestFinished } from 'vitest'

/** The environment that chooses files in a folder of this test's own. */
export function onFiles(): { readonly SESSION_STORE: string; readonly SESSION_DIR: string } {
  const directory = mkdtempSync(join(tmpdir(), 'sojourn-fire-store-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return { SESSION_STORE: 'filesystem', SESSION_DIR: directory }
}

/** The environment that chooses a Redis of this test's own. @param options as on redis-server's command line */
export async function onRedis(...options: string[]) {
  const redis = await RedisServer.start(...options)
  onTestFinished(() => redis.stop())
  return { redis, env: { SESSION_STORE: 'redis', REDIS_URL: redis.url } }
}

/** As `onRedis`, but over a network that can be made slow or broken. */
export async function onRedisBehindProxy(...options: string[]) {
  const { redis, env } = await onRedis(...options)
  const proxy = await TcpProxy.to(redis.port)
  onTestFinished(() => proxy.stop())
  return { redis, proxy, env: { ...env, REDIS_URL: proxy.url } }
}
