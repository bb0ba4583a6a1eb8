import type { Logger } from '@sojourn/core'
import { type Ready, retireMessage } from './messages.ts'
import { crashLoop, firstDelayMs, longEnoughMs, restartDelay } from './restarts.ts'
import type { WorkerProcess } from './worker-process.ts'

/** What a place asks of the whole. */
export interface Staff {
  readonly log: Logger
  /** Starts a worker for a place. @throws when all are stopping */
  fork(place: number): WorkerProcess
  /** Lets another worker accept what comes to places whose workers don't. */
  standIn(): void
  /** Milliseconds for which any worker ever served: if that was long, what ends workers now may pass. */
  longestLife(): number
  isStopping(): boolean
  pause(ms: number): Promise<void>
}

/** One place among the workers: a worker in it that dies is replaced. */
export class Place {
  readonly #staff: Staff
  readonly #number: number
  #worker: WorkerProcess

  private constructor(staff: Staff, number: number, worker: WorkerProcess) {
    this.#staff = staff
    this.#number = number
    this.#worker = worker
  }

  /** @throws Error with the worker's message if it can't start: a second try would end in the same way */
  static async fill(staff: Staff, number: number): Promise<{ place: Place; ready: Ready }> {
    const worker = staff.fork(number)
    const ready = await worker.started
    if (ready.sojourn === 'failed') throw new Error(ready.message)
    return { place: new Place(staff, number, worker), ready }
  }

  get number(): number {
    return this.#number
  }

  get worker(): WorkerProcess {
    return this.#worker
  }

  get pid(): number | undefined {
    return this.#worker.pid
  }

  /**
   * Replaces the worker: a new one listens before the old one stops.
   *
   * @throws Error with the new one's message if it can't start: the old one goes on then
   */
  async renew(): Promise<void> {
    const next = this.#staff.fork(this.#number)
    const started = await next.started
    if (started.sojourn === 'failed') throw new Error(started.message)
    const old = this.#worker
    this.#worker = next
    old.stop(retireMessage)
    this.#staff.standIn()
  }

  /** Until all stop. @throws Error if it can't be kept filled */
  async keepFilled(): Promise<void> {
    const { log } = this.#staff
    let shortLives = 0
    for (;;) {
      const worker = this.#worker
      const { how, cause } = await worker.left
      if (this.#staff.isStopping()) return
      // It was replaced.
      if (worker !== this.#worker) continue
      const longEnough = longEnoughMs[cause]
      shortLives = worker.served < longEnough ? shortLives + 1 : 0
      if (shortLives >= crashLoop && this.#staff.longestLife() < longEnough)
        throw new Error(
          `Worker ${worker.pid} ${how}, as ${shortLives - 1} before it, each within ${longEnough / 1000} s. Giving up: mend what they said above, then start again.`,
        )
      this.#staff.standIn()
      // A signal to all of a process group may come to the workers first.
      await this.#staff.pause(firstDelayMs)
      if (this.#staff.isStopping()) return
      log.warn(`Worker ${worker.pid} ${how}. Starting another.`)
      await this.#staff.pause(restartDelay(shortLives) - firstDelayMs)
      if (this.#staff.isStopping()) return
      // Meanwhile it may have been renewed.
      if (worker === this.#worker) await this.#refill()
    }
  }

  async #refill(): Promise<void> {
    const { log } = this.#staff
    const worker = this.#staff.fork(this.#number)
    this.#worker = worker
    const started = await worker.started
    if (started.sojourn === 'failed') log.error(started.message)
    else log.info(`Worker ${worker.pid} took its place.`)
  }
}
