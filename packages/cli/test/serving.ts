import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { get } from 'node:http'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { afterEach } from 'vitest'

const commandFile = join(import.meta.dirname, '../src/sojourn.ts')
const running = new Set<Serving>()

afterEach(async () => {
  for (const serving of running) await serving.kill()
  running.clear()
})

/** `sojourn serve` as a real process, from the sources. Ended after the test, whatever happens in it. */
export function serve(...args: string[]): Serving {
  return new Serving(args)
}

export function fixture(name: string): string {
  return join(import.meta.dirname, 'fixtures', name)
}

/** The environment of a shell, not that of a test runner. */
function shellEnvironment(): NodeJS.ProcessEnv {
  const env = { ...process.env }
  for (const name of Object.keys(env)) {
    if (
      /^(VITEST|JEST_|NODE_ENV|NODE_OPTIONS|NODE_TEST|TEST$|SESSION_|SOJOURN_|REDIS_URL|SECRET_KEY|PORT$|WEB_CON)/.test(
        name,
      )
    )
      delete env[name]
  }
  return env
}

export class Serving {
  readonly process: ChildProcess
  readonly lines: string[] = []
  readonly exit: Promise<number | string>
  #wake: () => void = () => undefined

  constructor(args: string[], env: NodeJS.ProcessEnv = {}) {
    this.process = spawn(
      process.execPath,
      ['--conditions=@sojourn/source', commandFile, 'serve', '--port', '0', '--host', '127.0.0.1', ...args],
      { env: { ...shellEnvironment(), ...env }, stdio: ['ignore', 'pipe', 'pipe'] },
    )
    for (const stream of [this.process.stdout, this.process.stderr]) {
      if (stream === null) continue
      createInterface({ input: stream }).on('line', line => {
        this.lines.push(line)
        this.#wake()
      })
    }
    this.exit = once(this.process, 'close').then(([code, signal]) => {
      this.#wake()
      return signal ?? code
    })
    running.add(this)
  }

  get output(): string {
    return this.lines.join('\n')
  }

  /** The first line that matches, now or later. */
  async line(pattern: RegExp): Promise<RegExpMatchArray> {
    for (;;) {
      for (const line of this.lines) {
        const match = line.match(pattern)
        if (match) return match
      }
      if (this.process.exitCode !== null || this.process.signalCode !== null) {
        await this.exit
        if (!pattern.test(this.output)) throw new Error(`Ended without ${pattern}. It said:\n${this.output}`)
      } else {
        await new Promise<void>(resolve => {
          this.#wake = resolve
        })
      }
    }
  }

  /** The address, once it listens. */
  async address(): Promise<string> {
    const [, address = ''] = await this.line(/^Listening on (http:\S+)$/)
    return address
  }

  async pids(): Promise<number[]> {
    const [, list = ''] = await this.line(/^(?:Workers|Threads): \d+, .* \(pid ([\d, ]+)\)$/)
    return list.split(', ').map(Number)
  }

  signal(signal: NodeJS.Signals): void {
    this.process.kill(signal)
  }

  /** Its workers end with it: their channel to it closes. */
  async kill(): Promise<void> {
    this.process.kill('SIGKILL')
    await this.exit
  }
}

/** A request on a connection of its own, so that each goes to the next worker. */
export async function fetchText(url: string): Promise<string> {
  const request = get(url, { agent: false })
  const [response] = await once(request, 'response')
  return text(response)
}
