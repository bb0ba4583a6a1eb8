import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Adopt,
  type Failed,
  type FromWorker,
  isFromWorker,
  type Ready,
  type retireMessage,
  type Said,
  stopMessage,
} from './messages.ts'
import { type Limits, stopLimit } from './plan.ts'
import type { Cause } from './restarts.ts'

/** How long what an ended worker said last may be on the way, in milliseconds. */
const lastWordsMs = 100

/** That a worker needs a successor. */
export interface Parting {
  /** For a sentence: `ended with code 1`. */
  readonly how: string
  readonly cause: Cause
}

export interface Death extends Parting {
  /** It ended by itself, with nothing cut and everything closed. */
  readonly clean: boolean
  /** Because it did not stop in time. */
  readonly wasKilled: boolean
}

/** The primary's view of one worker. */
export class WorkerProcess {
  readonly started: Promise<Ready | Failed>
  /** It has ended, or is about to. */
  readonly left: Promise<Parting>
  readonly ended: Promise<Death>
  readonly #worker: Worker
  readonly #limits: Limits
  #readyAt: number | undefined
  #endedAt: number | undefined
  #stopLimit: NodeJS.Timeout | undefined
  #isLeaving = false
  #part: (parting: Parting) => void = () => undefined
  #wasKilled = false

  /**
   * @param worker which has just been forked
   * @param hear gets what it logs while it starts
   * @param limits for it to start and to stop before it is killed
   */
  constructor(worker: Worker, hear: (said: Said) => void, limits: Limits) {
    this.#limits = limits
    this.#worker = worker
    this.ended = this.#end()
    const hearing = (resolve: (message: FromWorker) => void) =>
      worker.on('message', (message: unknown) => {
        if (isFromWorker(message)) resolve(message)
      })
    hearing(message => {
      if (message.sojourn === 'said') hear(message)
      if (message.sojourn === 'ready') this.#readyAt = performance.now()
      if (message.sojourn === 'leaving') this.#leave(message.cause)
    })
    this.started = new Promise(resolve => {
      const fail = (text: string) => resolve({ sojourn: 'failed', message: text })
      const late = limits.start > 0 ? setTimeout(() => this.#giveUpStart(fail), limits.start) : undefined
      hearing(message => {
        if (message.sojourn !== 'ready' && message.sojourn !== 'failed') return
        clearTimeout(late)
        resolve(message)
      })
      this.ended.then(
        ({ how }) => {
          clearTimeout(late)
          fail(`A worker ${how} while it started.`)
        },
        () => undefined,
      )
    })
    this.left = new Promise((resolve, reject) => {
      this.#part = resolve
      this.ended.then(resolve, reject)
    })
  }

  /** Milliseconds for which it has served. */
  get served(): number {
    return this.#readyAt === undefined ? 0 : (this.#endedAt ?? performance.now()) - this.#readyAt
  }

  /** It accepts what comes. */
  get isServing(): boolean {
    return this.#readyAt !== undefined && this.#endedAt === undefined && !this.#isLeaving
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  /** Lets it finish what runs. */
  stop(message: typeof stopMessage | typeof retireMessage = stopMessage): void {
    this.#send(message)
    this.#leave()
  }

  /** Lets it accept what comes to the socket of a place whose worker has died. */
  adopt(place: number): void {
    this.#send({ sojourn: 'adopt', place })
  }

  /** Ends it at once. */
  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  #leave(cause: Cause = 'others'): void {
    if (this.#endedAt !== undefined) return
    this.#isLeaving = true
    this.#part({ how: 'is stopping', cause })
    this.#stopLimit ??= setTimeout(() => {
      this.#wasKilled = true
      this.kill()
    }, stopLimit(this.#limits))
  }

  #giveUpStart(fail: (message: string) => void): void {
    fail(`A worker did not start within ${this.#limits.start / 1000} s and was ended. (--start-timeout)`)
    this.kill()
  }

  #send(message: string | Adopt): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => undefined)
  }

  async #end(): Promise<Death> {
    const worker = this.#worker
    const [code, signal, failed] = await once(worker, 'exit').catch((error: unknown) => [null, null, error])
    clearTimeout(this.#stopLimit)
    this.#endedAt = performance.now()
    if (worker.isConnected()) await Promise.race([once(worker, 'disconnect'), sleep(lastWordsMs)])
    const how =
      failed !== undefined
        ? `could not be started (${failed})`
        : signal
          ? `was ended by ${signal}`
          : `ended with code ${code}`
    const cause = signal === 'SIGKILL' ? 'others' : 'itself'
    return { how, cause, clean: code === 0, wasKilled: this.#wasKilled }
  }
}
