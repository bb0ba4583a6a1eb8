import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  checkHistory,
  describeViolations,
  type Fault,
  type HistoryOptions,
  HistoryRecorder,
  type Operation,
  readHistory,
  sharedTime,
} from '@sojourn/conformance/history'
import { openSessions, type SessionOptions, type Sessions, type StoreHealth } from '@sojourn/core'
import { expect, onTestFinished } from 'vitest'
import type { Launcher } from '../serving.ts'
import { type NamedSession, SessionClient } from './session-client.ts'
import type { Work } from './worker.ts'

const secret = 'a secret of the fault tests, of 32 bytes and more'
/** As the workers have it. */
const storeTimeout = 2000
const quiet = { info: () => {}, warn: () => {}, error: () => {} }

type Limits = Pick<SessionOptions, 'idleTimeout'>

/** Several processes that use sessions on one store at the same time, while the test makes trouble. */
export class Fire {
  readonly #folder = mkdtempSync(join(tmpdir(), 'sojourn-fire-'))
  readonly #env: NodeJS.ProcessEnv
  readonly #limits: Limits
  readonly #own: Sessions
  readonly #client: SessionClient
  readonly #sessions: NamedSession[] = []
  readonly #killed: string[] = []
  readonly #faults: Fault[] = []
  readonly #all: FireWorker[] = []
  /** Those that live. */
  workers: readonly FireWorker[] = []

  private constructor(own: Sessions, env: NodeJS.ProcessEnv, limits: Limits) {
    this.#own = own
    this.#env = env
    this.#limits = limits
    this.#client = new SessionClient(own, new HistoryRecorder(join(this.#folder, 'main'), 'main'))
    onTestFinished(async () => {
      for (const { process } of this.#all) process.kill('SIGKILL')
      await own.close()
      rmSync(this.#folder, { recursive: true, force: true })
    })
  }

  /** Four workers on the store that the environment names. */
  static async start(env: Record<string, string>, limits: Limits = {}): Promise<Fire> {
    const full = { SECRET_KEY: secret, PATH: process.env.PATH, ...env }
    const own = await openSessions({ env: full, logger: quiet, storeTimeout, ...limits })
    const fire = new Fire(own, full, limits)
    await Promise.all([0, 1, 2, 3].map(() => fire.startWorker()))
    return fire
  }

  async startWorker(launcher?: Launcher): Promise<FireWorker> {
    const name = `w${this.#all.length}`
    const [program, ...args] = launcher ? [...launcher, process.execPath] : [process.execPath]
    const own = [name, join(this.#folder, name), JSON.stringify(this.#limits)]
    const child = fork(join(import.meta.dirname, 'worker.ts'), own, {
      env: this.#env,
      execPath: program,
      execArgv: [...args, '--conditions=@sojourn/source'],
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    const worker = new FireWorker(name, child)
    this.#all.push(worker)
    await worker.ready
    this.workers = [...this.workers, worker]
    return worker
  }

  createSessions(count: number): Promise<NamedSession[]> {
    const names = Array.from({ length: count }, (_, at) => `s${this.#sessions.length + at}`)
    const created = Promise.all(names.map(name => this.#client.create(name)))
    return created.then(sessions => {
      this.#sessions.push(...sessions)
      return sessions
    })
  }

  /** Ends a process in the middle of whatever it does. */
  async kill(worker: FireWorker): Promise<void> {
    this.#killed.push(worker.name)
    this.workers = this.workers.filter(each => each !== worker)
    worker.process.kill('SIGKILL')
    await worker.exited
  }

  /** Makes trouble; what fails meanwhile may fail. */
  async trouble(work: () => Promise<unknown>): Promise<void> {
    const fault = { began: sharedTime(), ended: Number.POSITIVE_INFINITY }
    this.#faults.push(fault)
    await work()
    fault.ended = sharedTime()
  }

  /** Gives the workers something else to do, or nothing. */
  async work(work: Work = { sessions: [], count: 0 }): Promise<void> {
    await Promise.all(this.workers.map(worker => worker.do(work)))
  }

  /** Does it in this process. */
  run(...operation: Parameters<SessionClient['run']>): ReturnType<SessionClient['run']> {
    return this.#client.run(...operation)
  }

  health(): Promise<StoreHealth> {
    return this.#own.health()
  }

  /** A look at every session, and a change: nothing is stuck. */
  async lookAtAll(): Promise<void> {
    for (const session of this.#sessions) {
      await this.#client.run('append', session)
      await this.#client.run('load', session)
    }
  }

  /** Every browser lost its session and begins another: under an id of its own, and what is lost stays so. */
  async beginAnew(): Promise<void> {
    for (const lost of this.#sessions) {
      const anew = await this.#client.create(`${lost.name}-anew`, lost.cookie)
      expect(anew.cookie).not.toBe(lost.cookie)
      expect(await this.#client.run('append', anew)).toBe('done')
      expect(await this.#client.run('load', lost)).toBe('gone')
    }
  }

  /**
   * Prints the row's figure, and fails if the history contradicts the contract.
   *
   * @param apart a worker to whom the sessions are not there: what it did does not count
   */
  verify(
    row: string,
    faults: string,
    { apart, ...options }: HistoryOptions & { apart?: FireWorker | undefined } = {},
  ): readonly Operation[] {
    const all = readHistory(readdirSync(this.#folder).map(file => join(this.#folder, file)))
    const history = all.filter(({ process }) => process !== apart?.name)
    const own = { deadline: storeTimeout, faults: this.#faults, killed: this.#killed }
    const violations = checkHistory(history, { ...own, ...options })
    const count = (result: Operation['result']) => history.filter(each => each.result === result).length
    const found = (invariant: string) => violations.filter(each => each.invariant === invariant).length
    const slowest = history.reduce((most, { began, ended = began }) => Math.max(most, ended - began), 0)
    process.stdout.write(
      `${row}: ${history.length} operations on ${this.#sessions.length} sessions; ${faults}; acknowledged ${count('done')}, gone ${count('gone')}, refused ${count('refused')}, unknown ${count('unknown')}; lost ${found('I2')}, resurrected ${found('I1')}; slowest reply ${Math.round(slowest)} ms\n`,
    )
    expect(describeViolations(violations.slice(0, 5))).toBe('')
    expect(all.filter(({ error }) => error !== undefined).slice(0, 5)).toEqual([])
    return all
  }
}

/** A process under fire. */
export class FireWorker {
  readonly name: string
  readonly process: ChildProcess
  readonly ready: Promise<void>
  readonly exited: Promise<unknown[]>
  #sent = 0

  constructor(name: string, child: ChildProcess) {
    this.name = name
    this.process = child
    this.exited = once(child, 'exit')
    this.ready = this.#done(0)
  }

  /** Resolves when it has done all of it, or, if it was given other work, what it had begun; rejects if it dies. */
  do(work: Work): Promise<void> {
    const number = ++this.#sent
    this.process.send({ number, work })
    return this.#done(number)
  }

  #done(number: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const listen = (done: unknown) => {
        if (done !== number) return
        this.process.off('message', listen)
        resolve()
      }
      this.process.on('message', listen)
      this.exited.then(([code, signal]) => reject(new Error(`${this.name} died (${code ?? signal})`)), reject)
    })
  }
}
