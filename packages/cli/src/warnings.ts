import type { Environment } from '@sojourn/core'
import type { Ready } from './messages.ts'

/** What will trouble users, and only shows once several workers serve. */
export function warnings(workers: readonly Ready[], count: number, env: Environment): string[] {
  return [...ofStores(workers, count, env), ...ofSecrets(workers), ...ofProxies(workers)]
}

function ofStores(workers: readonly Ready[], count: number, env: Environment): string[] {
  const sessions = workers.flatMap(worker => worker.sessions)
  const isShared =
    sessions.length === 0 ? env.SESSION_STORE !== 'memory' : sessions.every(({ shared }) => shared)
  if (isShared || count === 1) return []
  return [
    `Each of the ${count} workers keeps sessions of its own: users will be signed in on one request and signed out on the next. Use SESSION_STORE=filesystem or redis, or one worker.`,
  ]
}

/** Every worker opens the same sessions, in the same order; threads have told of theirs in one. */
function ofSecrets(workers: readonly Ready[]): string[] {
  const keyrings = workers.map(({ sessions }) => sessions.map(({ fingerprint }) => fingerprint))
  const distinct = new Set(keyrings.flat()).size
  const most = Math.max(0, ...keyrings.map(each => new Set(each).size))
  const perThread = keyrings.length === 1 && distinct > 1 && distinct === keyrings.flat().length
  if (distinct <= most && !perThread) return []
  return [
    'Each worker signs with a secret of its own: users will be signed out whenever another one answers. Set SECRET_KEY, or give all the same secret (sojourn secret makes one).',
  ]
}

/** Who serves Secure cookies without TLS has a proxy in front. */
function ofProxies(workers: readonly Ready[]): string[] {
  const [worker] = workers
  const isSecure = worker?.sessions.some(({ secure }) => secure) ?? false
  if (!isSecure || worker?.trustsProxy !== false) return []
  return [
    "Cookies are Secure and this server speaks plain http, so a proxy must end TLS in front of it, and the application does not trust one: to it each client has the proxy's address and no TLS. Set app.set('trust proxy', 1) in Express, or app.proxy = true in Koa.",
  ]
}
