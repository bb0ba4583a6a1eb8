/**
 * Runs jobs in order and one batch at a time per key, within one process: what arrives while a batch of its key is
 * at work waits, and goes out together as the next batch.
 */
export class Batches<Job, Result> {
  readonly #work: Work<Job, Result>
  readonly #waiting = new Map<string, Waiting<Job, Result>[]>()
  readonly #running = new Set<Promise<void>>()

  /**
   * @param work answers one result per job, in the same order, or a promise of it (see `rejected`); if it rejects, all
   * jobs of the batch do
   */
  constructor(work: Work<Job, Result>) {
    this.#work = work
  }

  run(key: string, job: Job): Promise<Result> {
    return new Promise((resolve, reject) => {
      const waiting = this.#waiting.get(key)
      if (waiting) {
        waiting.push({ job, resolve, reject })
        return
      }
      this.#waiting.set(key, [])
      this.#drain(key, [{ job, resolve, reject }])
    })
  }

  /** Waits for all that was begun, however it ends. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running)
  }

  #drain(key: string, batch: Waiting<Job, Result>[]): void {
    const running = this.#run(key, batch).then(() => {
      this.#running.delete(running)
      const next = this.#waiting.get(key) ?? []
      if (next.length === 0) this.#waiting.delete(key)
      else {
        this.#waiting.set(key, [])
        this.#drain(key, next)
      }
    })
    this.#running.add(running)
  }

  async #run(key: string, batch: Waiting<Job, Result>[]): Promise<void> {
    try {
      const results = await this.#work(
        key,
        batch.map(({ job }) => job),
      )
      for (const [index, { resolve }] of batch.entries()) resolve(results[index] as Result | Promise<Result>)
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }
}

type Work<Job, Result> = (key: string, jobs: readonly Job[]) => Promise<readonly (Result | Promise<Result>)[]>

/** The failure of one job among others. Nobody needs to handle it until its turn comes. */
export function rejected<Result>(error: unknown): Promise<Result> {
  const failure = Promise.reject<Result>(error)
  failure.catch(() => undefined)
  return failure
}

interface Waiting<Job, Result> {
  readonly job: Job
  readonly resolve: (result: Result | Promise<Result>) => void
  readonly reject: (error: unknown) => void
}
