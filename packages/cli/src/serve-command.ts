import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Environment, Logger } from '@sojourn/core'
import { Command, InvalidArgumentError, Option } from 'commander'
import { serve } from './serve.ts'

interface Flags {
  readonly workers?: number
  readonly port: number
  readonly host?: string
}

/** `sojourn serve <module>`. */
export function serveCommand(log: Logger, env: Environment): Command {
  return new Command('serve')
    .summary('run an Express app, a Koa app or a request listener in several processes')
    .description(
      'Runs what a module exports, as default or as app, in several processes that share one port: an Express app, a Koa app or a request listener (req, res) => ... A worker that dies is replaced. SIGTERM and SIGINT let requests that run finish, then call what the module exports as close, or the close of its sessions; a second signal ends at once.',
    )
    .argument('<module>', 'path or file URL of an ES, CommonJS or (where Node runs it) TypeScript module')
    .addOption(
      new Option('-w, --workers <count>', 'processes; default: WEB_CONCURRENCY, or one per processor')
        .env('SOJOURN_WORKERS')
        .argParser(parseWorkers),
    )
    .addOption(
      new Option('-p, --port <port>', 'port; 0 for any free one')
        .env('PORT')
        .default(3000)
        .argParser(parsePort),
    )
    .option('-H, --host <host>', 'address to listen on; default: all')
    .action(async (module: string, { workers, port, host }: Flags) => {
      const count = workers ?? defaultWorkers(env)
      const options = { url: moduleUrl(module), workers: count, port, ...(host !== undefined && { host }) }
      process.exitCode = await serve(options, log, env)
    })
}

function moduleUrl(module: string): string {
  return module.startsWith('file:') ? module : pathToFileURL(resolve(module)).href
}

function defaultWorkers(env: Environment): number {
  const { WEB_CONCURRENCY: count } = env
  return count ? parseWorkers(count, undefined, 'WEB_CONCURRENCY ') : Math.max(1, availableParallelism())
}

function parseWorkers(text: string, _previous?: unknown, name = ''): number {
  const count = Number(text)
  if (!Number.isSafeInteger(count) || count < 1) {
    throw new InvalidArgumentError(`${name}must be a whole number from 1 on.`)
  }
  return count
}

function parsePort(text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) {
    throw new InvalidArgumentError('A port is a whole number from 0 to 65535.')
  }
  return port
}
