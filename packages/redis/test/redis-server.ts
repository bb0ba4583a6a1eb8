import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { createConnection, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll } from 'vitest'

const started: RedisServer[] = []
afterAll(async () => {
  await Promise.all(started.map(server => server.stop()))
})

/** A real redis-server on a free port of loopback; it ends with the test file. */
export class RedisServer {
  readonly port: number
  readonly #folder = mkdtempSync(join(tmpdir(), 'sojourn-redis-'))
  #process: ChildProcess | undefined

  private constructor(port: number) {
    this.port = port
    started.push(this)
  }

  static async start(...options: string[]): Promise<RedisServer> {
    const server = new RedisServer(await freePort())
    await server.run(...options)
    return server
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`
  }

  get process(): ChildProcess | undefined {
    return this.#process
  }

  /** Starts, or starts again after `kill`, in the same folder and on the same port. */
  async run(...options: string[]): Promise<void> {
    const own = ['--port', String(this.port), '--bind', '127.0.0.1', '--dir', this.#folder, '--save', '']
    this.#process = spawn('redis-server', [...own, ...options], { stdio: 'ignore' })
    await once(this.#process, 'spawn')
    for (let i = 0; !(await answers(this.port)); i++) {
      if (i > 200) throw new Error('redis-server did not start')
      await sleep(20)
    }
  }

  async kill(): Promise<void> {
    const running = this.#process
    this.#process = undefined
    if (running === undefined || running.exitCode !== null) return
    running.kill('SIGKILL')
    await once(running, 'exit')
  }

  async stop(): Promise<void> {
    await this.kill()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = createConnection(port, '127.0.0.1')
    socket.once('connect', () => socket.write('PING\r\n'))
    socket.once('data', () => finish(true))
    socket.once('error', () => finish(false))
    function finish(alive: boolean) {
      socket.destroy()
      resolve(alive)
    }
  })
}
