import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'

const command = join(dirname(fileURLToPath(import.meta.resolve('@sojourn/cli'))), 'sojourn.ts')
const secret = 'a secret of the tests that has 32 bytes and more'

/** An application of the fixtures, served by `sojourn serve` on files in `directory`. Ended with the test. */
export class Served {
  readonly lines: string[] = []
  readonly exit: Promise<number | NodeJS.Signals>
  port = 0
  readonly #process: ChildProcess
  #heard: () => void = () => undefined

  private constructor(app: string, directory: string, options: readonly string[]) {
    const module = join(import.meta.dirname, '../fixtures', app)
    const args = ['serve', module, '--port', '0', '--host', '127.0.0.1', ...options]
    this.#process = spawn(process.execPath, ['--conditions=@sojourn/source', command, ...args], {
      env: {
        PATH: process.env.PATH,
        SECRET_KEY: secret,
        SESSION_STORE: 'filesystem',
        SESSION_DIR: directory,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    for (const input of [this.#process.stdout, this.#process.stderr]) {
      if (input === null) continue
      createInterface({ input }).on('line', line => {
        this.lines.push(line)
        this.#heard()
      })
    }
    this.exit = once(this.#process, 'close').then(([code, signal]) => {
      this.#heard()
      return signal ?? code
    })
    onTestFinished(async () => {
      this.#process.kill('SIGKILL')
      await this.exit
    })
  }

  static async start(app: string, directory: string, ...options: string[]): Promise<Served> {
    const served = new Served(app, directory, options)
    const [, port = ''] = await served.line(/^Listening on http:\S+:(\d+)$/)
    served.port = Number(port)
    return served
  }

  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('it did not start')
    return this.#process.pid
  }

  /** Of the worker processes. */
  get pids(): number[] {
    const line = this.lines.findLast(each => /^(Workers|Threads): /.test(each)) ?? ''
    return (/pid ([\d, ]+)/.exec(line)?.[1] ?? '').split(', ').map(Number)
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.kill(signal)
  }

  /** The first line from the `from`th on that matches, now or later. */
  async line(pattern: RegExp, from = 0): Promise<RegExpMatchArray> {
    for (;;) {
      for (const line of this.lines.slice(from)) {
        const match = line.match(pattern)
        if (match) return match
      }
      if (this.#process.exitCode !== null || this.#process.signalCode !== null)
        throw new Error(`It ended without ${pattern}:\n${this.lines.join('\n')}`)
      await new Promise<void>(resolve => {
        this.#heard = resolve
      })
    }
  }
}
