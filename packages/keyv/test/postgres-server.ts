import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'

const run = promisify(execFile)
const debian = '/usr/lib/postgresql'

interface Identity {
  readonly uid: number
  readonly gid: number
}

/** A real PostgreSQL on a port of loopback, in a folder of its own. */
export class PostgresServer {
  readonly url: string
  readonly #folder: string
  readonly #identity: Identity | undefined
  readonly #port: number
  #process: ChildProcess | undefined

  private constructor(folder: string, port: number, identity: Identity | undefined) {
    this.url = `postgresql://postgres@127.0.0.1:${port}/postgres`
    this.#folder = folder
    this.#port = port
    this.#identity = identity
  }

  static async start(): Promise<PostgresServer> {
    const folder = await mkdtemp(join(tmpdir(), 'sojourn-postgres-'))
    // It refuses to be root.
    const identity = process.getuid?.() === 0 ? await identityOf('postgres') : undefined
    if (identity) await chown(folder, identity.uid, identity.gid)
    const kind = ['--auth=trust', '--username=postgres', '--no-sync', '--encoding=UTF8', '--locale=C']
    await run(await program('initdb'), ['-D', folder, ...kind], { ...identity, cwd: folder })
    const server = new PostgresServer(folder, await freePort(), identity)
    await server.resume()
    return server
  }

  /** Starts it again where it was. */
  async resume(): Promise<void> {
    const settings = ['listen_addresses=127.0.0.1', 'unix_socket_directories=', 'fsync=off']
    const options = settings.flatMap(setting => ['-c', setting])
    const command = ['-D', this.#folder, '-p', `${this.#port}`, ...options]
    const child = spawn(await program('postgres'), command, {
      ...this.#identity,
      cwd: this.#folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    this.#process = child
    let output = ''
    child.stderr?.on('data', data => (output += data))
    for (let tries = 0; !output.includes('ready to accept connections'); tries++) {
      if (tries > 500 || child.exitCode !== null) throw new Error(`PostgreSQL did not start: ${output}`)
      await sleep(20)
    }
  }

  /** Ends it, and every connection with it; what it holds stays. */
  halt(): Promise<void> {
    return this.#end('SIGINT')
  }

  /** Ends it once nobody is connected any more. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM')
    await rm(this.#folder, { recursive: true })
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#process
    if (child === undefined || child.exitCode !== null) return
    child.kill(signal)
    await once(child, 'exit')
  }
}

async function identityOf(user: string): Promise<Identity> {
  const [uid, gid] = await Promise.all(['-u', '-g'].map(option => run('id', [option, user])))
  return { uid: Number(uid?.stdout), gid: Number(gid?.stdout) }
}

/** Debian keeps the programs of each version in a folder that is not in PATH. */
async function program(name: string): Promise<string> {
  const versions = await readdir(debian).catch(() => [])
  const newest = versions.map(Number).sort((a, b) => b - a)[0]
  return newest === undefined ? name : join(debian, String(newest), 'bin', name)
}

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  probe.close()
  await once(probe, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}
