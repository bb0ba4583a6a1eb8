import { type ChildProcess, execFile, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { idOf } from './subjects/index.ts'
import type { Subject } from './subjects/subject.ts'

const run = promisify(execFile)
const connections = 32
const users = 1000
/** Of the kernel's clock for processes. */
const tick = 1000 / 100

/** What is asked of a site, and of how many of its signed-in users: 0 for none. */
export interface Workload {
  readonly name: string
  readonly path: '/page' | '/change'
  readonly users: number
  readonly workers: number
}

/** One turn of load on a site. */
export interface Sample {
  readonly perSecond: number
  /** Milliseconds. */
  readonly p50: number
  readonly p99: number
  /** Microseconds of processor time of the site's processes for each request, Redis' not counted. */
  readonly cpu: number
  /** Of all of the site's processes, in MB. */
  readonly memory: number
}

export const workloads: readonly Workload[] = [
  { name: 'read a signed-in page', path: '/page', users, workers: 1 },
  { name: 'change a key at every request', path: '/change', users, workers: 1 },
  { name: 'anonymous page', path: '/page', users: 0, workers: 1 },
  { name: 'all on one session, read', path: '/page', users: 1, workers: 1 },
  { name: 'all on one session, change', path: '/change', users: 1, workers: 1 },
  { name: '4 processes, read', path: '/page', users, workers: 4 },
  { name: '4 processes, change', path: '/change', users, workers: 4 },
]

/** A subject that is served by processes of its own, with users who are signed in. */
export class Site {
  readonly subject: Subject
  readonly #process: ChildProcess
  readonly #folder: string
  #url = ''
  #pids: readonly number[] = []
  #cookies: readonly string[] = []

  private constructor(subject: Subject, folder: string, server: ChildProcess) {
    this.subject = subject
    this.#folder = folder
    this.#process = server
  }

  static async start(subject: Subject, redisUrl: string, folder: string, workers: number): Promise<Site> {
    const id = idOf(subject)
    const own = join(folder, `${id}-${workers}`)
    const server = fork(join(import.meta.dirname, 'server.ts'), [id, redisUrl, own, `${workers}`], {
      env: { ...process.env, NODE_ENV: 'production' },
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const site = new Site(subject, own, server)
    const [{ port, pids }] = await once(server, 'message')
    site.#url = `http://127.0.0.1:${port}`
    site.#pids = pids
    await site.#signIn()
    return site
  }

  async measure({ path, users: asked }: Workload, seconds: number): Promise<Sample> {
    const cookies = `${this.#folder}.cookies`
    writeFileSync(cookies, this.#cookies.slice(0, asked).join('\n'))
    const before = this.#processorTime()
    const script = join(import.meta.dirname, 'load.lua')
    const options = ['-t1', `-c${connections}`, `-d${seconds}s`, '-s', script, this.#url, '--', path, cookies]
    const { stdout } = await run('wrk', options)
    const spent = this.#processorTime() - before
    const { requests, seconds: took, failed, p50, p99 } = JSON.parse(stdout.slice(stdout.lastIndexOf('{')))
    if (failed > 0) throw new Error(`${idOf(this.subject)}: ${failed} of ${requests} requests failed`)
    return {
      perSecond: requests / took,
      p50,
      p99,
      cpu: (1000 * spent) / requests,
      memory: this.#pids.reduce((sum, pid) => sum + residentOf(pid), 0),
    }
  }

  stop(): void {
    this.#process.disconnect()
  }

  /** A thousand users, and a look at whether they are. */
  async #signIn(): Promise<void> {
    const cookies: string[] = []
    for (let i = 0; i < users; i++) {
      const answer = await fetch(`${this.#url}/sign-in?user=${i}`)
      await answer.arrayBuffer()
      const pairs = answer.headers.getSetCookie().map(line => line.split(';')[0])
      cookies.push(pairs.join('; ') || 'none=none')
    }
    this.#cookies = cookies
    const last = await fetch(`${this.#url}/page`, { headers: { cookie: cookies[500] ?? '' } })
    const text = await last.text()
    if (!text.includes('user-500. 10 items'))
      throw new Error(`${idOf(this.subject)} does not know its users: ${text}`)
  }

  /** Milliseconds. */
  #processorTime(): number {
    const timesOf = (pid: number) => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? []
      return tick * (Number(fields[11]) + Number(fields[12]))
    }
    return this.#pids.reduce((sum, pid) => sum + timesOf(pid), 0)
  }
}

export function residentOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024
}
