import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { Agent, get } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { afterAll } from 'vitest'

/** The server closes a connection that idles for 5 s, perhaps just when the next request is sent on it. */
const reusing = { keepAlive: true, timeout: 3000 }
const command = join(dirname(fileURLToPath(import.meta.resolve('@sojourn/cli'))), 'sojourn.ts')
export const secret = 'a secret of the tests that has 32 bytes and more'

export interface Reply {
  readonly status: number
  readonly cookie: string | undefined
  readonly body: Record<string, unknown>
}

/** A program, with its arguments, that starts another in conditions of its own. */
export type Launcher = readonly [program: string, ...args: string[]]

const started: Server[] = []
afterAll(async () => {
  await Promise.all(started.map(server => server.stop()))
})

/** An application of the fixtures, served by `sojourn serve` with four workers on a folder of its own. */
export class Server {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'sojourn-acceptance-'))
  readonly output: string[] = []
  /** What every request got, and after how many milliseconds. */
  readonly replies: { readonly status: number; readonly took: number }[] = []
  readonly #process: ChildProcess
  readonly #agent = new Agent({ ...reusing, maxSockets: 64 })
  /** A connection for each request. */
  readonly #ownConnection = new Agent({ keepAlive: false })
  /** No limit: as many connections as requests at a time. */
  readonly #burstAgent = new Agent(reusing)
  #port = 0

  constructor(app: string, env: NodeJS.ProcessEnv, launcher: Launcher | undefined) {
    const module = join(import.meta.dirname, 'fixtures', app)
    const options = ['--workers', '4', '--port', '0', '--host', '127.0.0.1']
    const server = ['--conditions=@sojourn/source', command, 'serve', module, ...options]
    const [program, ...args] = [...(launcher ?? []), process.execPath, ...server]
    this.#process = spawn(program, args, {
      env: { PATH: process.env.PATH, SECRET_KEY: secret, SESSION_DIR: this.directory, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    started.push(this)
  }

  /** Of the process that started the workers. */
  get pid(): number {
    if (this.#process.pid === undefined) throw new Error('the server did not start')
    return this.#process.pid
  }

  async start(): Promise<this> {
    const { stdout, stderr } = this.#process
    if (stdout === null || stderr === null) throw new Error('no output')
    createInterface({ input: stderr }).on('line', line => this.output.push(line))
    const lines = createInterface({ input: stdout })
    for await (const line of lines) {
      this.output.push(line)
      const port = /Listening on http:\/\/\S+:(\d+)/.exec(line)?.[1]
      if (port !== undefined) {
        this.#port = Number(port)
        createInterface({ input: stdout }).on('line', more => this.output.push(more))
        return this
      }
    }
    throw new Error(`the server did not start:\n${this.output.join('\n')}`)
  }

  /** Over one of at most 64 connections, as one of a burst over as many as it takes, or over one of its own. */
  async get(path: string, cookie?: string, over: 'few' | 'burst' | 'own' = 'few'): Promise<Reply> {
    const begun = performance.now()
    const agents = { few: this.#agent, burst: this.#burstAgent, own: this.#ownConnection }
    const request = get({
      host: '127.0.0.1',
      port: this.#port,
      path,
      agent: agents[over],
      ...(cookie && { headers: { cookie } }),
    })
    const [response] = await once(request, 'response')
    const body = await text(response)
    this.replies.push({ status: response.statusCode, took: performance.now() - begun })
    const [setCookie] = response.headers['set-cookie'] ?? []
    return {
      status: response.statusCode,
      cookie: setCookie?.split(';')[0],
      body: response.headers['content-type']?.includes('json') ? JSON.parse(body) : { text: body },
    }
  }

  async signIn(userId = 'ada'): Promise<string> {
    const { cookie } = await this.get(`/sign-in?key=${userId}`)
    if (cookie === undefined) throw new Error('no session cookie came')
    return cookie
  }

  /** The sessions that are stored now. */
  get stored(): number {
    const files = readdirSync(this.directory, { recursive: true, withFileTypes: true })
    return files.filter(file => file.isFile() && file.parentPath.includes('index-v5')).length
  }

  async stop(): Promise<void> {
    this.#agent.destroy()
    this.#burstAgent.destroy()
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.kill('SIGTERM')
      await once(this.#process, 'exit')
    }
    rmSync(this.directory, { recursive: true, force: true })
  }
}

export function startServer(app: string, env: NodeJS.ProcessEnv = {}, launcher?: Launcher): Promise<Server> {
  return new Server(app, env, launcher).start()
}
