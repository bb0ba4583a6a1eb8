import cluster, { type Worker } from 'node:cluster'
import { extname, join } from 'node:path'
import type { Environment, Logger } from '@sojourn/core'
import { explainListen } from './explain.ts'
import { fromPlan, type Limits, type Plan } from './plan.ts'
import { stopSignal } from './signals.ts'
import { type Address, bindOne, bindSeveral, type Sockets } from './sockets.ts'
import { warnings } from './warnings.ts'
import { Workers } from './workers.ts'

export interface ServeOptions {
  /** The URL of the module to serve. */
  readonly url: string
  readonly server: 'cluster' | 'threads'
  /** Of workers or of threads. */
  readonly count: number
  /** Why so many, for the line at start. */
  readonly reason: string
  readonly address: Address
  readonly limits: Limits
}

/** Beside this file: compiled, or the TypeScript source. */
const workerFile = join(import.meta.dirname, `worker${extname(import.meta.filename)}`)
/** A worker's file descriptors: its standard streams, its channel to the primary, then what it inherits. */
const standardStreams = ['ignore', 'inherit', 'inherit', 'ipc'] as const

/**
 * Serves a module with several processes, or one of several threads, until a signal or a failure ends it. Call it once per
 * process.
 *
 * @returns the exit code: 0 if all that ran was finished
 */
export async function serve(options: ServeOptions, log: Logger, env: Environment): Promise<number> {
  let bound: Bound
  try {
    bound = await bind(options, log)
  } catch (error) {
    log.error(explainListen(error))
    return 1
  }
  const workers = new Workers(log, place => launch(options, bound, place), options.limits)
  const signal = stopSignal(code => {
    workers.kill()
    process.exit(code)
  })
  let code = 0
  try {
    await Promise.race([signal, keepServing(workers, bound, options, log, env)])
  } catch (error) {
    log.error(error instanceof Error ? error.message : String(error))
    code = 1
  }
  bound.release()
  for (const socket of bound.sockets) socket.close()
  const clean = await workers.stop()
  return clean ? code : 1
}

interface Bound extends Sockets {
  /** `null` for processes. */
  readonly threads: number | null
}

async function bind({ server, count, address }: ServeOptions, log: Logger): Promise<Bound> {
  try {
    return { ...(await bindSeveral(address, count)), threads: server === 'threads' ? count : null }
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOTSUP')) throw error
  }
  const one = await bindOne(address)
  if (process.platform === 'win32' && server === 'cluster') return { ...leaveToCluster(one), threads: null }
  if (server === 'cluster') return { ...one, threads: null }
  log.warn('This platform does not spread connections over threads (SO_REUSEPORT): serving with one.')
  return { ...one, threads: 1 }
}

/** Processes can't inherit sockets there. */
function leaveToCluster(bound: Sockets): Sockets {
  for (const socket of bound.sockets) socket.close()
  return { ...bound, sockets: [] }
}

function launch(
  { url, limits, address }: ServeOptions,
  { sockets, threads, port }: Bound,
  place: number,
): Worker {
  const fds = sockets.map((_, index) => standardStreams.length + index)
  const listen = { fds, port, host: address.host }
  const plan: Plan = { url, threads, limits, listen, place: Math.min(place, sockets.length - 1) }
  const stdio = [...standardStreams, ...sockets.map(({ fd }) => fd)]
  cluster.setupPrimary({ exec: workerFile, args: [fromPlan(plan)], stdio })
  return cluster.fork()
}

async function keepServing(
  workers: Workers,
  bound: Bound,
  options: ServeOptions,
  log: Logger,
  env: Environment,
): Promise<never> {
  const what = bound.threads === null ? `Workers: ${options.count}` : `Threads: ${bound.threads}`
  const pids = () => `(pid ${workers.pids.join(', ')})`
  const starting = start(workers, bound, options, log, env)
  // Heard from the first moment on: what changed while the workers start needs new ones too.
  process.on('SIGHUP', () => {
    const renew = () => workers.renew(() => log.info(`${what}, all new ${pids()}`))
    starting.then(renew, () => undefined)
  })
  await starting
  log.info(`${what}, ${options.reason} ${pids()}`)
  log.info(`Primary: pid ${process.pid}`)
  log.info(`Listening on ${urlOf(options.address.host, bound.port)}`)
  return workers.failure
}

/** The first one alone: a module that fails then does so once. */
async function start(
  workers: Workers,
  { threads, release }: Bound,
  { count }: ServeOptions,
  log: Logger,
  env: Environment,
): Promise<void> {
  const processes = threads === null ? count : 1
  const first = await workers.add(0)
  release()
  const others = await Promise.all(
    Array.from({ length: processes - 1 }, (_, index) => workers.add(index + 1)),
  )
  for (const warning of warnings([first, ...others], threads ?? count, env)) log.warn(warning)
}

function urlOf(host: string | undefined, port: number): string {
  const anywhere = host === undefined || host === '::' || host === '0.0.0.0'
  const name = anywhere ? 'localhost' : host.includes(':') ? `[${host}]` : host
  return `http://${name}:${port}`
}
