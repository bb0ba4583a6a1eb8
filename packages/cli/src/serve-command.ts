import type { Environment, Logger } from '@sojourn/core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { automatic, type Count, capacity, doubled, usualNeed } from './capacity.ts'
import { moduleUrl } from './module-url.ts'
import { port, seconds, wholeNumber } from './numbers.ts'
import { serve } from './serve.ts'

/** A count, or a rule for it. */
type Wanted = number | 'auto' | '2n+1'

interface Flags {
  readonly server: 'cluster' | 'threads'
  readonly workers?: Wanted
  readonly threads?: Wanted
  readonly workerMemory?: number
  readonly port: number
  readonly host?: string
  readonly requestTimeout: number
  readonly keepAlive: number
  readonly stopTimeout: number
  readonly startTimeout: number
}

/** Set to nothing, they are as good as not set. */
const variables = [
  'SOJOURN_WORKERS',
  'SOJOURN_THREADS',
  'SOJOURN_WORKER_MEMORY_MB',
  'WEB_CONCURRENCY',
  'PORT',
] as const

const description = `Runs what a module exports: an Express app, a Koa app or a request listener.
SIGTERM: finish what runs, end. SIGHUP: replace the workers, refuse nobody.`

/** `sojourn serve <module>`. */
export function serveCommand(log: Logger, env: NodeJS.ProcessEnv): Command {
  for (const name of variables) if (env[name]?.trim() === '') delete env[name]
  return new Command('serve')
    .summary('run an application in several processes or threads')
    .description(description)
    .argument('<module>', 'exports it as default or as app, and does not listen')
    .addOption(
      new Option('-s, --server <kind>', 'cluster (processes) or threads')
        .default('cluster')
        .argParser(serverKind),
    )
    .addOption(countOption('-w, --workers <count>', 'of cluster').env('SOJOURN_WORKERS'))
    .addOption(countOption('-t, --threads <count>', 'of threads').env('SOJOURN_THREADS'))
    .addOption(
      new Option('--worker-memory <MB>', 'for auto').env('SOJOURN_WORKER_MEMORY_MB').argParser(wholeNumber),
    )
    .addOption(new Option('-p, --port <port>', '0: any').env('PORT').default(3000).argParser(port))
    .option('-H, --host <host>', 'default: all addresses')
    .addOption(secondsOption('--request-timeout <s>', 'to come in, and be answered', 120))
    .addOption(secondsOption('--keep-alive <s>', 'between two requests', 5))
    .addOption(secondsOption('--stop-timeout <s>', 'to finish what runs', 30))
    .addOption(secondsOption('--start-timeout <s>', 'for a worker to start', 60))
    .action(async (module: string, flags: Flags, command: Command) => {
      const { server, host } = flags
      const unfit = server === 'cluster' ? 'threads' : 'workers'
      if (command.getOptionValueSource(unfit) === 'cli') {
        command.error(`error: option '--${unfit}' does not go with '--server ${server}'`)
      }
      const limits = {
        request: flags.requestTimeout,
        keepAlive: flags.keepAlive,
        stop: flags.stopTimeout,
        start: flags.startTimeout,
      }
      const address = { port: flags.port, host: host || undefined }
      const count = countOf(flags, env, command)
      process.exitCode = await serve({ url: moduleUrl(module), server, ...count, address, limits }, log, env)
    })
}

function countOption(flags: string, what: string): Option {
  return new Option(flags, `${what}: 1, 2 ..., auto, 2n+1`).argParser(toWanted)
}

function serverKind(text: string): Flags['server'] {
  if (text === 'cluster' || text === 'threads') return text
  throw new InvalidArgumentError('It must be cluster or threads.')
}

function secondsOption(flags: string, help: string, usual: number): Option {
  return new Option(flags, help).default(usual * 1000, String(usual)).argParser(seconds)
}

function toWanted(text: string): Wanted {
  if (text === 'auto' || text === '2n+1') return text
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= 1) return count
  throw new InvalidArgumentError('It must be a whole number from 1 on, auto, or 2n+1.')
}

function countOf(flags: Flags, env: Environment, command: Command): Count {
  const { server, workers, threads, workerMemory } = flags
  const asked = server === 'cluster' ? workers : threads
  const wanted = asked ?? (env.WEB_CONCURRENCY ? fromWebConcurrency(env.WEB_CONCURRENCY, command) : 'auto')
  if (typeof wanted === 'number') return { count: wanted, reason: 'as set' }
  const { each, beside } = usualNeed[server]
  const need = { each: workerMemory ?? each, beside }
  return wanted === 'auto' ? automatic(capacity(), need) : doubled(capacity(), need)
}

function fromWebConcurrency(text: string, command: Command): Wanted {
  try {
    return toWanted(text)
  } catch (error) {
    return command.error(
      `error: WEB_CONCURRENCY is '${text}'. ${error instanceof Error ? error.message : ''}`,
    )
  }
}
