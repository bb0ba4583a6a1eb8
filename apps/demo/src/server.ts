import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { commandFile } from '@sojourn/cli'

export interface ServerOptions {
  readonly name: 'express' | 'koa'
  readonly port: string
  readonly kind: string
  readonly workers: string
  readonly env: NodeJS.ProcessEnv
}

/** One of the demo's two servers: `sojourn serve` as a process of its own. */
export class Server {
  /** True when it listens, false if it ended before. */
  readonly ready: Promise<boolean>
  /** The exit code. */
  readonly ended: Promise<number>
  readonly #process: ChildProcess

  constructor(
    { name, port, kind, workers, env }: ServerOptions,
    hear: (server: string, line: string) => void,
  ) {
    const module = join(import.meta.dirname, `${name}${extname(import.meta.filename)}`)
    const count = [kind === 'threads' ? '--threads' : '--workers', workers]
    const args = [commandFile, 'serve', module, '--port', port, '--server', kind, ...count]
    const child = spawn(process.execPath, [...process.execArgv, ...args], {
      // Core keeps one secret per project, found from here: the two servers share it.
      cwd: join(import.meta.dirname, '..'),
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#process = child
    this.ended = once(child, 'close').then(([code]) => code ?? 1)
    const listens = new Promise<boolean>(resolve => {
      for (const input of [child.stdout, child.stderr]) {
        createInterface({ input }).on('line', line => {
          hear(name, line)
          if (line.startsWith('Listening on ')) resolve(true)
        })
      }
    })
    this.ready = Promise.race([listens, this.ended.then(() => false)])
  }

  /** Lets it finish what runs; called again, at once. */
  stop(): void {
    this.#process.kill('SIGTERM')
  }
}
