import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from './ports.ts'

const run = promisify(execFile)

/** So that none outlives the tests, however they end. */
const running = new Set<ChildProcess>()
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
})

/** A real redis-server on a port of loopback, in a folder of its own. */
export class RedisServer {
  readonly port: number
  readonly folder: string = mkdtempSync(join(tmpdir(), 'sojourn-redis-'))
  readonly #options: readonly string[]
  #process: ChildProcess | undefined

  /** @param optionsFor what comes on redis-server's command line, in the server's folder */
  private constructor(port: number, optionsFor: (folder: string) => readonly string[]) {
    this.port = port
    const own = ['--port', String(port), '--bind', '127.0.0.1', '--dir', this.folder]
    this.#options = [...optionsFor(this.folder), ...own]
  }

  /** @param options as on redis-server's command line */
  static async start(...options: string[]): Promise<RedisServer> {
    return RedisServer.startAt(await freePort(), ...options)
  }

  static async startAt(port: number, ...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(port, () => ['--save', '', ...options])
    await server.run()
    return server
  }

  /** @param configure writes a sentinel's configuration file into the folder that it gets, and answers its path */
  static async startSentinelAt(port: number, configure: (folder: string) => string): Promise<RedisServer> {
    const server = new RedisServer(port, folder => [configure(folder), '--sentinel'])
    await server.run()
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  /** Starts it, or starts it again after `kill`, in the same folder and on the same port. */
  async run(...more: string[]): Promise<void> {
    const child = spawn('redis-server', [...this.#options, ...more], { stdio: 'ignore' })
    this.#process = child
    running.add(child)
    child.once('exit', () => running.delete(child))
    await once(child, 'spawn')
    for (let i = 0; !(await this.#answers()); i++) {
      if (i > 250 || child.exitCode !== null) throw new Error('redis-server did not start')
      await sleep(20)
    }
  }

  /** What redis-cli prints for a command. */
  async command(...words: string[]): Promise<string> {
    const { stdout } = await run('redis-cli', ['-p', String(this.port), '--raw', ...words])
    return stdout.trim()
  }

  signal(signal: 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'): void {
    this.#process?.kill(signal)
  }

  /** Ends it at once. */
  async kill(): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  /** Ends it, and removes its folder. */
  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  /** Also if what it answers is an error, such as LOADING or NOAUTH. */
  #answers(): Promise<boolean> {
    return this.command('PING').then(
      answer => answer !== '',
      () => false,
    )
  }
}
