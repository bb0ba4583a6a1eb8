import type { Worker } from 'node:cluster'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Adopt,
  type Failed,
  isFromWorker,
  type Ready,
  type retireMessage,
  type Said,
  stopMessage,
} from './messages.ts'

/** How long what an ended worker said last may be on the way, in milliseconds. */
const lastWordsMs = 100

export interface Death {
  /** For a sentence: `ended with code 1`. */
  readonly how: string
  /** It ended by itself, with nothing cut and everything closed. */
  readonly clean: boolean
  /** Because it did not stop in time. */
  readonly wasKilled: boolean
}

/** The primary's view of one worker. */
export class WorkerProcess {
  readonly started: Promise<Ready | Failed>
  readonly ended: Promise<Death>
  readonly #worker: Worker
  readonly #limit: number
  #readyAt: number | undefined
  #endedAt: number | undefined
  #stopLimit: NodeJS.Timeout | undefined
  #wasKilled = false

  /**
   * @param worker which has just been forked
   * @param hear gets what it logs while it starts
   * @param limit milliseconds that it may take to stop before it is killed
   */
  constructor(worker: Worker, hear: (said: Said) => void, limit: number) {
    this.#limit = limit
    this.#worker = worker
    this.ended = this.#end()
    const answered = new Promise<Ready | Failed>(resolve => {
      worker.on('message', (message: unknown) => {
        if (!isFromWorker(message)) return
        if (message.sojourn === 'said') return hear(message)
        if (message.sojourn === 'ready') this.#readyAt = performance.now()
        resolve(message)
      })
    })
    const died = this.ended.then(
      ({ how }): Failed => ({ sojourn: 'failed', message: `A worker ${how} while it started.` }),
    )
    this.started = Promise.race([answered, died])
  }

  /** Milliseconds for which it has served. */
  get served(): number {
    return this.#readyAt === undefined ? 0 : (this.#endedAt ?? performance.now()) - this.#readyAt
  }

  get pid(): number | undefined {
    return this.#worker.process.pid
  }

  /** Lets it finish what runs. */
  stop(message: typeof stopMessage | typeof retireMessage = stopMessage): void {
    this.#send(message)
    this.#stopLimit ??= setTimeout(() => {
      this.#wasKilled = true
      this.kill()
    }, this.#limit)
  }

  /** Lets it accept what comes to the socket of a place whose worker has died. */
  adopt(place: number): void {
    this.#send({ sojourn: 'adopt', place })
  }

  /** Ends it at once. */
  kill(): void {
    this.#worker.process.kill('SIGKILL')
  }

  #send(message: string | Adopt): void {
    if (this.#worker.isConnected()) this.#worker.send(message, () => undefined)
  }

  async #end(): Promise<Death> {
    const worker = this.#worker
    const [how, clean] = await once(worker, 'exit').then(
      ([code, signal]) =>
        [signal ? `was ended by ${signal}` : `ended with code ${code}`, code === 0] as const,
      (error: unknown) => [`could not be started (${error})`, false] as const,
    )
    clearTimeout(this.#stopLimit)
    this.#endedAt = performance.now()
    if (worker.isConnected()) await Promise.race([once(worker, 'disconnect'), sleep(lastWordsMs)])
    return { how, clean, wasKilled: this.#wasKilled }
  }
}
