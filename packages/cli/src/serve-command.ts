import type { Environment, Logger } from '@sojourn/core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { automatic, type Count, capacity, doubled, usualMemory } from './capacity.ts'
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
}

const description = `Runs what a module exports, as default or as app: an Express app, a Koa app or a request listener.

SIGTERM and SIGINT finish what runs and close its sessions; a second one ends at once. SIGHUP replaces the workers
one by one, and refuses nobody. A worker that dies is replaced.`

/** `sojourn serve <module>`. */
export function serveCommand(log: Logger, env: Environment): Command {
  return new Command('serve')
    .summary('run an Express app, a Koa app or a request listener in several processes or threads')
    .description(description)
    .argument('<module>', 'path or file URL: ES, CommonJS, or TypeScript where Node runs it')
    .addOption(
      new Option('-s, --server <kind>', 'several processes, or one of several threads')
        .choices(['cluster', 'threads'])
        .default('cluster'),
    )
    .addOption(countOption('-w, --workers <count>', 'processes').env('SOJOURN_WORKERS'))
    .addOption(countOption('-t, --threads <count>', 'threads').env('SOJOURN_THREADS'))
    .addOption(
      new Option('--worker-memory <MB>', 'what one is reckoned to need; 160, a thread 80')
        .env('SOJOURN_WORKER_MEMORY_MB')
        .argParser(wholeNumber),
    )
    .addOption(
      new Option('-p, --port <port>', '0 for any free one').env('PORT').default(3000).argParser(port),
    )
    .option('-H, --host <host>', 'address to listen on; default: all')
    .addOption(secondsOption('--request-timeout <s>', 'for a request to come in and be answered', 120))
    .addOption(secondsOption('--keep-alive <s>', 'for a connection to wait for its next request', 5))
    .addOption(secondsOption('--stop-timeout <s>', 'for what runs when a worker stops', 30))
    .action(async (module: string, flags: Flags, command: Command) => {
      const { server, host } = flags
      const unfit = server === 'cluster' ? 'threads' : 'workers'
      if (command.getOptionValueSource(unfit) === 'cli') {
        command.error(`error: option '--${unfit}' does not go with '--server ${server}'`)
      }
      const limits = { request: flags.requestTimeout, keepAlive: flags.keepAlive, stop: flags.stopTimeout }
      const address = { port: flags.port, host }
      const count = countOf(flags, env, command)
      process.exitCode = await serve({ url: moduleUrl(module), server, ...count, address, limits }, log, env)
    })
}

function countOption(flags: string, what: string): Option {
  const help = `${what}: a count, auto, or 2n+1; default: WEB_CONCURRENCY, or auto`
  return new Option(flags, help).argParser(toWanted)
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
  const memory = workerMemory ?? usualMemory[server]
  return wanted === 'auto' ? automatic(capacity(), memory) : doubled(capacity(), memory)
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
