import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

const startFile = join(import.meta.dirname, '../src/start.ts')

/** A run of the demo: real processes on free ports, sessions in a folder of its own. */
export interface Demo {
  readonly express: string
  readonly koa: string
  readonly process: ChildProcess
  readonly lines: readonly string[]
  /** Ends it, and whatever it left behind. @returns its exit code */
  stop(): Promise<number>
}

/** @param args of the command line */
export async function startDemo(args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Promise<Demo> {
  const directory = await mkdtemp(join(tmpdir(), 'sojourn-demo-'))
  const [express, koa] = await freePorts()
  const ports = ['--express-port', String(express), '--koa-port', String(koa)]
  const child = spawn(process.execPath, ['--conditions=@sojourn/source', startFile, ...ports, ...args], {
    env: { ...shellEnvironment(), SESSION_DIR: directory, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const closed = once(child, 'close').then(([code]) => Number(code ?? 1))
  const stop = async () => {
    child.kill('SIGTERM')
    const code = await closed
    for (const pid of pidsIn(lines)) endNow(pid)
    await rm(directory, { recursive: true, force: true })
    return code
  }
  const ready = new Promise<boolean>(resolve => {
    for (const input of [child.stdout, child.stderr]) {
      createInterface({ input }).on('line', line => {
        lines.push(line)
        if (/Ctrl-C stops both/.test(line)) resolve(true)
      })
    }
  })
  if (!(await Promise.race([ready, closed.then(() => false)]))) {
    await stop()
    throw new Error(`The demo did not start:\n${lines.join('\n')}`)
  }
  return {
    express: `http://localhost:${express}`,
    koa: `http://localhost:${koa}`,
    process: child,
    lines,
    stop,
  }
}

/** Primaries and workers, from what the servers said. */
export function pidsIn(lines: readonly string[]): number[] {
  return lines.flatMap(
    line => /\| (Primary|Workers|Threads):.*pid ([\d, ]+)/.exec(line)?.[2]?.split(', ').map(Number) ?? [],
  )
}

export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

function endNow(pid: number): void {
  if (isAlive(pid)) process.kill(pid, 'SIGKILL')
}

/** Two, held at once so that they differ. */
async function freePorts(): Promise<number[]> {
  const probes = [createServer().listen(0), createServer().listen(0)]
  const ports = []
  for (const probe of probes) {
    if (!probe.listening) await once(probe, 'listening')
    const address = probe.address()
    ports.push(typeof address === 'object' && address !== null ? address.port : 0)
  }
  for (const probe of probes) probe.close()
  return ports
}

/** The environment of a shell, not that of a test runner: it would choose the cookie store. */
function shellEnvironment(): NodeJS.ProcessEnv {
  const foreign =
    /^(VITEST|JEST_|NODE_ENV|NODE_OPTIONS|NODE_TEST|TEST$|SESSION_|REDIS_URL|SECRET_KEY|SOJOURN_|PORT$)/
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !foreign.test(name)))
}
