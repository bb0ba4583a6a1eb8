import type { Worker } from 'node:cluster'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@sojourn/core'
import type { Ready, Said } from './messages.ts'
import { Place, type Staff } from './place.ts'
import type { Limits } from './plan.ts'
import { WorkerProcess } from './worker-process.ts'

/** Keeps as many workers alive as were added. */
export class Workers {
  readonly #log: Logger
  readonly #launch: (place: number) => Worker
  readonly #limits: Limits
  readonly #places: Place[] = []
  readonly #living = new Set<WorkerProcess>()
  /** What workers said while starting: the same of another one is not shown again. */
  readonly #heard = new Set<string>()
  readonly #stopping = new AbortController()
  readonly #staff: Staff
  /** Milliseconds. */
  #longestLife = 0
  #renewing: Promise<void> = Promise.resolve()
  /** Never resolves; rejects when a worker can't be kept alive. */
  readonly failure: Promise<never>
  #fail: (error: unknown) => void = () => undefined

  /**
   * @param launch forks a worker for a place; they are counted from 0
   * @param limits for a worker to start and to stop before it is killed
   */
  constructor(log: Logger, launch: (place: number) => Worker, limits: Limits) {
    this.#log = log
    this.#launch = launch
    this.#limits = limits
    this.failure = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failure.catch(() => undefined)
    this.#staff = {
      log,
      fork: place => this.#fork(place),
      standIn: () => this.#standIn(),
      longestLife: () => this.#lookForLongestLife(),
      isStopping: () => this.#stopping.signal.aborted,
      pause: ms => sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined),
    }
  }

  get pids(): number[] {
    return this.#places.flatMap(({ pid }) => pid ?? [])
  }

  /**
   * Starts a worker that is replaced from then on whenever it dies.
   *
   * @throws Error with the worker's message if it can't start: a second try would end in the same way
   */
  async add(number: number): Promise<Ready> {
    const { place, ready } = await Place.fill(this.#staff, number)
    this.#places.push(place)
    place.keepFilled().catch(this.#fail)
    return ready
  }

  /**
   * Begins to replace all workers, one after the other; if a new one can't start, those that are left go on.
   *
   * @param done is called when all are new
   */
  renew(done: () => void): void {
    this.#renewing = this.#renewing.then(() => this.#renewAll(done))
  }

  /** Lets all of them finish. @returns whether they could, with nothing cut and everything closed */
  async stop(): Promise<boolean> {
    this.#stopping.abort()
    const living = [...this.#living]
    for (const worker of living) worker.stop()
    const deaths = await Promise.all(living.map(({ ended }) => ended))
    return deaths.every(({ clean }) => clean)
  }

  /** Ends all of them at once. */
  kill(): void {
    for (const worker of this.#living) worker.kill()
  }

  async #renewAll(done: () => void): Promise<void> {
    if (this.#stopping.signal.aborted) return
    this.#heard.clear()
    try {
      for (const place of this.#places) await place.renew()
      done()
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      const message = error instanceof Error ? error.message : String(error)
      this.#log.error(`${message}\nA new worker can't start, so those that serve go on.`)
    }
  }

  #fork(place: number): WorkerProcess {
    this.#stopping.signal.throwIfAborted()
    const worker = new WorkerProcess(this.#launch(place), message => this.#hear(message), this.#limits)
    this.#living.add(worker)
    this.#bury(worker).catch(this.#fail)
    return worker
  }

  async #bury(worker: WorkerProcess): Promise<void> {
    const { wasKilled } = await worker.ended
    this.#longestLife = Math.max(this.#longestLife, worker.served)
    this.#living.delete(worker)
    if (wasKilled) this.#log.error(`Worker ${worker.pid} did not end in time and was killed.`)
  }

  /** For all that don't serve, by whoever has served longest: the others may be about to die of the same. */
  #standIn(): void {
    const serving = this.#places.map(({ worker }) => worker).filter(worker => worker.isServing)
    const [best] = serving.toSorted((a, b) => b.served - a.served)
    for (const { number, worker } of this.#places) if (!worker.isServing) best?.adopt(number)
  }

  #lookForLongestLife(): number {
    return Math.max(this.#longestLife, ...[...this.#living].map(({ served }) => served))
  }

  #hear(message: Said): void {
    if (this.#heard.has(message.text)) return
    this.#heard.add(message.text)
    if (message.to === 'stdout') this.#log.info(message.text)
    else this.#log.warn(message.text)
  }
}
