import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { extname, join } from 'node:path'
import type { Environment, Logger } from '@sojourn/core'
import type { Ready } from './messages.ts'
import { stopSignal } from './stop-signals.ts'
import { Workers } from './workers.ts'

export interface ServeOptions {
  /** The URL of the module to serve. */
  readonly url: string
  readonly workers: number
  /** 0 for any free one. */
  readonly port: number
  /** Default: all addresses of the machine. */
  readonly host?: string
}

/** Beside this file: compiled, or the TypeScript source. */
const workerFile = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)

/**
 * Serves a module with several processes until a signal or a failure ends it. Call it once per process.
 *
 * @returns the exit code: 0 if all that ran was finished
 */
export async function serve(options: ServeOptions, log: Logger, env: Environment): Promise<number> {
  const workers = new Workers(log)
  const signal = stopSignal(code => {
    workers.kill()
    process.exit(code)
  })
  let code = 0
  try {
    await Promise.race([signal, keepServing(workers, options, log, env)])
  } catch (error) {
    log.error(error instanceof Error ? error.message : String(error))
    code = 1
  }
  const clean = await workers.stop()
  return clean ? code : 1
}

async function keepServing(
  workers: Workers,
  { url, port, host, workers: count }: ServeOptions,
  log: Logger,
  env: Environment,
): Promise<never> {
  const listenPort = port === 0 ? await freePort(host) : port
  const args = [url, String(listenPort), ...(host === undefined ? [] : [host])]
  cluster.setupPrimary({ exec: workerFile, args })
  // The first one alone: a module that fails then does so once.
  const first = await workers.add()
  await Promise.all(Array.from({ length: count - 1 }, () => workers.add()))
  warnOfLoneStores(first, count, log, env)
  log.info(`Workers: ${count} (pid ${workers.pids.join(', ')})`)
  log.info(`Primary: pid ${process.pid}`)
  log.info(`Listening on ${address(host, listenPort)}`)
  return workers.failure
}

/** Chosen here: cluster would choose another one for a worker that replaces the last. */
async function freePort(host: string | undefined): Promise<number> {
  const probe = createServer().listen({ port: 0, ...(host !== undefined && { host }) })
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

function warnOfLoneStores(ready: Ready, count: number, log: Logger, env: Environment): void {
  const shared = ready.shared ?? env.SESSION_STORE !== 'memory'
  if (shared || count === 1) return
  log.warn(
    `Each of the ${count} workers keeps sessions of its own: users will be signed in on one request and signed out on the next. Use SESSION_STORE=filesystem or redis, or --workers 1.`,
  )
}

function address(host: string | undefined, port: number): string {
  const anywhere = host === undefined || host === '::' || host === '0.0.0.0'
  const name = anywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}
