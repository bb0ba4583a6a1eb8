import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { type Data, difference, guardsHold } from './change.ts'
import { settleWithin } from './deadline.ts'
import { SessionError } from './errors.ts'
import { type Known, Reads } from './reads.ts'
import type { Loaded, SessionStore } from './store.ts'

/** One call of `session.update(fn)`. */
export interface UpdateJob {
  /** What its request knows of the session, a good guess to begin with; `null` if it does not know. */
  readonly seen: Known | null
  /**
   * Makes the new data of `data`, which it may modify. What it decides by, it must look at through `watched`, which is
   * the same data. Runs as often as it takes.
   */
  readonly apply: (data: Data, watched: Data) => Promise<unknown>
  /** Epoch ms; later nobody waits for the answer, and nothing is tried any more. */
  readonly deadline: number
}

export interface UpdateResult {
  readonly value: unknown
  /** As this job left it; those that were written with it may have changed more. */
  readonly record: Loaded['record']
  /** `undefined` if `record` is not exactly what stands. */
  readonly version: string | undefined
}

/** Milliseconds that an error which says more may come after a job's deadline. */
const grace = 50

interface Waiting {
  readonly job: UpdateJob
  readonly resolve: (result: UpdateResult) => void
  readonly reject: (error: unknown) => void
}

/** The two calls of a store that updates need; each keeps its own deadline. */
export type UpdateStore = Pick<SessionStore, 'load' | 'update'>

/**
 * Runs the updates of one process: one at a time per session. Those that wait meanwhile run together on the same
 * data and are stored as one write, so that a burst on one session costs a few writes and nobody starves.
 */
export class Updates {
  readonly #store: UpdateStore
  readonly #now: () => number
  readonly #waiting = new Map<string, Waiting[]>()

  constructor(store: UpdateStore, now: () => number) {
    this.#store = store
    this.#now = now
  }

  /** Settles by the job's deadline. */
  run(token: string, job: UpdateJob): Promise<UpdateResult> {
    const result = new Promise<UpdateResult>((resolve, reject) => {
      const queue = this.#waiting.get(token)
      if (queue) queue.push({ job, resolve, reject })
      else {
        this.#waiting.set(token, [{ job, resolve, reject }])
        this.#drain(token).catch(reject)
      }
    })
    return settleWithin(result, job.deadline - this.#now() + grace, tookTooLong)
  }

  async #drain(token: string): Promise<void> {
    let stands: Known | null = null
    for (;;) {
      const batch = this.#waiting.get(token) ?? []
      const first = batch[0]
      if (first === undefined) break
      this.#waiting.set(token, [])
      // It is who was served that pauses, so that the same process does not win every time.
      if (stands !== null) await sleep(turnover())
      try {
        stands = await this.#write(token, batch, stands ?? first.job.seen)
      } catch (error) {
        for (const { reject } of batch) reject(error)
        stands = null
      }
    }
    this.#waiting.delete(token)
  }

  /** Answers the whole batch, or throws why it can't be; resolves with what stands then. */
  async #write(token: string, batch: Waiting[], guess: Known | null): Promise<Known> {
    let stands = guess ?? (await this.#load(token))
    for (;;) {
      const jobs = batch.filter(({ job }) => job.deadline > this.#now())
      for (const late of batch) if (!jobs.includes(late)) late.reject(lostEveryTime())
      if (jobs.length === 0) return stands
      const reads = new Reads()
      const steps = await applyAll(jobs, stands, reads, this.#now)
      const last = steps.findLast(step => step.ok)
      const change = last && difference(stands.record.data, last.data)
      const guard = reads.guard(stands)
      if (!last || !change || (reads.all && stands.version === undefined)) {
        // Nothing to write, or nothing to guard it by: so it is not known yet that the jobs saw what stands.
        const loaded = await this.#load(token)
        const holds = !change && guardsHold(loaded.record.data, loaded.version, guard)
        const unknown = reads.all && stands.version === undefined
        stands = loaded
        if (!holds || unknown) continue
        settleAll(steps, stands)
        return stands
      }
      const outcome = await this.#store.update(token, { ...change, ...guard })
      if (outcome.status === 'gone') throw gone()
      if (outcome.status === 'written') {
        // Guarded by values, others may have changed other keys.
        const version = reads.all ? outcome.version : undefined
        stands = { record: { ...stands.record, data: last.data }, version }
        settleAll(steps, stands)
        return stands
      }
      // At once, on what stands: while a loser pauses, the others go on and it would lose again.
      stands = outcome.current
      await setImmediate()
    }
  }

  async #load(token: string): Promise<Loaded> {
    const loaded = await this.#store.load(token)
    if (loaded === null) throw gone()
    return loaded
  }
}

type Step = { readonly waiting: Waiting } & (
  | { readonly ok: true; readonly data: Data; readonly value: unknown }
  | { readonly ok: false; readonly error: unknown }
)

/** Runs the jobs one after the other, each on what the one before left; a job that throws leaves nothing. */
async function applyAll(jobs: Waiting[], stands: Known, reads: Reads, now: () => number): Promise<Step[]> {
  const steps: Step[] = []
  let text = JSON.stringify(stands.record.data)
  for (const waiting of jobs) {
    const data: Data = JSON.parse(text)
    try {
      const watched = reads.watch(data)
      const value = await inTime(waiting.job.apply(data, watched), waiting.job.deadline - now())
      text = JSON.stringify(data)
      // A copy: the job's owner may go on changing what it got.
      steps.push({ waiting, ok: true, data: JSON.parse(text), value: value === watched ? data : value })
    } catch (error) {
      steps.push({ waiting, ok: false, error })
    }
  }
  return steps
}

function settleAll(steps: Step[], { record, version }: Known): void {
  const last = steps.findLast(step => step.ok)
  for (const step of steps) {
    const { resolve, reject } = step.waiting
    if (!step.ok) reject(step.error)
    else if (step === last) resolve({ value: step.value, record, version })
    else resolve({ value: step.value, record: { ...record, data: step.data }, version: undefined })
  }
}

/** A function that never ends must not keep the others waiting for ever. What it does later has no effect. */
export function inTime<T>(work: Promise<T>, timeout: number): Promise<T> {
  return settleWithin(work, timeout, tookTooLong)
}

/** Milliseconds; jittered, so that several processes fall out of step. */
function turnover(): number {
  return 1 + 2 * Math.random()
}

export function gone(): SessionError {
  return new SessionError(
    'ERR_SESSION_GONE',
    'The session ended while this request was changing it: somebody signed out, or it expired. Nothing was stored. Sign in again.',
    { status: 409 },
  )
}

export function lostEveryTime(): SessionError {
  return new SessionError(
    'ERR_SESSION_CONFLICT',
    'Other requests changed the session each time before this one could, until storeTimeout passed. Nothing was stored. Try again.',
    { status: 409 },
  )
}

export function changedFirst(): SessionError {
  return new SessionError(
    'ERR_SESSION_CONFLICT',
    "Another request changed the same key of the session first, and the setting conflict is 'reject'. Nothing was stored. Load the page again, or use session.update(fn).",
    { status: 409 },
  )
}

function tookTooLong(): SessionError {
  return new SessionError(
    'ERR_SESSION_STORE_UNAVAILABLE',
    'The session was not updated within storeTimeout: the function given to session.update, or the store, took too long. Let the function do nothing but change the data.',
    { status: 503 },
  )
}
