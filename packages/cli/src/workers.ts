import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '@sojourn/core'
import type { Ready, Said } from './messages.ts'
import { crashLoop, longEnoughMs, restartDelay } from './restarts.ts'
import { workerLimitMs } from './stop-limits.ts'
import { WorkerProcess } from './worker-process.ts'

/** Keeps as many workers alive as were added. */
export class Workers {
  readonly #log: Logger
  readonly #living = new Set<WorkerProcess>()
  /** What workers said while starting: the same of another one is not shown again. */
  readonly #heard = new Set<string>()
  readonly #stopping = new AbortController()
  /** Whether any worker ever served long enough: then the application can, and what kills its workers may pass. */
  #wasWell = false
  /** Never resolves; rejects when a worker can't be kept alive. */
  readonly failure: Promise<never>
  #fail: (error: unknown) => void = () => undefined

  constructor(log: Logger) {
    this.#log = log
    this.failure = new Promise((_resolve, reject) => {
      this.#fail = reject
    })
    this.failure.catch(() => undefined)
  }

  get pids(): number[] {
    return [...this.#living].flatMap(({ pid }) => pid ?? [])
  }

  /**
   * Starts a worker that is replaced from then on whenever it dies.
   *
   * @throws Error with the worker's message if it can't start: a second try would end in the same way
   */
  async add(): Promise<Ready> {
    const worker = this.#fork()
    const started = await worker.started
    if (started.sojourn === 'failed') throw new Error(started.message)
    this.#keepAlive(worker).catch(this.#fail)
    return started
  }

  /** Lets all of them finish. @returns whether they could, with nothing cut and everything closed */
  async stop(): Promise<boolean> {
    this.#stopping.abort()
    const limit = setTimeout(() => {
      this.#log.error('Workers that did not end are killed.')
      this.kill()
    }, workerLimitMs)
    const living = [...this.#living]
    for (const worker of living) worker.stop()
    const deaths = await Promise.all(living.map(({ ended }) => ended))
    clearTimeout(limit)
    return deaths.every(({ clean }) => clean)
  }

  /** Ends all of them at once. */
  kill(): void {
    for (const worker of this.#living) worker.kill()
  }

  /** The life of one place among the workers, from death to death. */
  async #keepAlive(first: WorkerProcess): Promise<void> {
    let worker = first
    let shortLives = 0
    for (;;) {
      const { how } = await worker.ended
      const { served } = worker
      this.#living.delete(worker)
      if (this.#stopping.signal.aborted) return
      shortLives = served < longEnoughMs ? shortLives + 1 : 0
      this.#wasWell ||= [worker, ...this.#living].some(each => each.served >= longEnoughMs)
      if (shortLives === crashLoop && !this.#wasWell) {
        throw new Error(
          `Worker ${worker.pid} ${how}, as ${crashLoop - 1} before it, each within ${longEnoughMs / 1000} s. Giving up: mend what they said above, then start again.`,
        )
      }
      this.#log.warn(`Worker ${worker.pid} ${how}. Starting another.`)
      await this.#pause(restartDelay(shortLives))
      if (this.#stopping.signal.aborted) return
      worker = this.#fork()
      const started = await worker.started
      if (started.sojourn === 'failed') this.#log.error(started.message)
      else this.#log.info(`Worker ${worker.pid} took its place.`)
    }
  }

  #fork(): WorkerProcess {
    this.#stopping.signal.throwIfAborted()
    const worker = new WorkerProcess(message => this.#hear(message))
    this.#living.add(worker)
    return worker
  }

  #hear(message: Said): void {
    if (this.#heard.has(message.text)) return
    this.#heard.add(message.text)
    if (message.to === 'stdout') this.#log.info(message.text)
    else this.#log.warn(message.text)
  }

  #pause(ms: number): Promise<void> {
    return sleep(ms, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}
