import { setTimeout as sleep } from 'node:timers/promises'
import { type Data, guardsHold } from './change.ts'
import { settleWithin } from './deadline.ts'
import { Draft, Reads, withoutOwn } from './draft.ts'
import { SessionError } from './errors.ts'
import { Snapshot } from './snapshot.ts'
import type { Loaded, SessionChange, SessionStore } from './store.ts'

/** A session as it is known, or thought, to stand. */
export interface Known {
  readonly state: Snapshot
  /** `undefined` if others may have changed it since. */
  readonly version: string | undefined
}

/** One call of `session.update(fn)`. */
export interface UpdateJob {
  /** What the request changed before, without looking at what stands. */
  readonly own: SessionChange
  /** The function: modifies the data that it gets. Runs as often as it takes. */
  readonly change: (data: Data) => unknown
  /** By `performance.now()`; later nobody waits for the answer, and nothing is tried any more. */
  readonly deadline: number
}

export interface StoredUpdateJob extends UpdateJob {
  /** What its request has seen of the session, a good guess to begin with. */
  readonly seen: Known
}

export interface UpdateResult extends Known {
  /** What the function returned. */
  readonly value: unknown
  /** As this job left it; those that were written with it may have changed more. */
  readonly state: Snapshot
  /** The keys of which that is known to be true; `all`, or those that were looked at or changed up to this job. */
  readonly known: 'all' | Iterable<string>
}

/** Milliseconds that others are let go first; who waits has a deadline. */
const longestTurn = 20
/** Milliseconds that an error which says more may come after a job's deadline. */
const grace = 50

interface Waiting {
  readonly job: StoredUpdateJob
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
  run(token: string, job: StoredUpdateJob): Promise<UpdateResult> {
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
      const begun = this.#now()
      try {
        stands = await this.#write(token, batch, stands ?? first.job.seen)
      } catch (error) {
        for (const { reject } of batch) reject(error)
        stands = null
      }
      // It is who was served that pauses, so that the same process does not win every time.
      if (this.#waiting.get(token)?.length) await sleep(turnover(this.#now() - begun))
    }
    this.#waiting.delete(token)
  }

  /** Answers the whole batch, or throws why it can't be; resolves with what stands then. */
  async #write(token: string, batch: Waiting[], guess: Known): Promise<Known> {
    let stands = guess
    let hasLost = false
    for (;;) {
      const jobs = batch.filter(({ job }) => job.deadline > this.#now())
      for (const late of batch)
        if (!jobs.includes(late)) late.reject(hasLost ? lostEveryTime() : tookTooLong())
      if (jobs.length === 0) return stands
      const reads = new Reads()
      const steps = await runAll(jobs, stands.state, reads, this.#now)
      reads.close()
      const last = steps.findLast(step => step.ok)
      const change = last && stands.state.changeTo(last.state)
      const guard = reads.guard(stands.state, stands.version, last?.state ?? stands.state)
      if (!change || (reads.all && stands.version === undefined)) {
        // Nothing to write, or nothing to guard it by: so nobody knows yet whether the jobs saw what stands.
        const loaded = await this.#store.load(token)
        if (loaded === null) throw gone()
        const seenAll = !reads.all || stands.version !== undefined
        stands = knownFrom(loaded)
        if (change || !seenAll || !guardsHold(loaded.record.data, loaded.version, guard)) continue
        settleAll(steps, stands, 'last')
        return stands
      }
      const outcome = await this.#store.update(token, { ...change, ...guard })
      if (outcome.status === 'gone') throw gone()
      if (outcome.status === 'written') {
        // Guarded by values alone, others may have changed other keys.
        stands = { state: last.state, version: reads.all ? outcome.version : undefined }
        settleAll(steps, stands, reads.all ? 'all' : 'none')
        return stands
      }
      hasLost = true
      // At once, on what stands: while a loser pauses, the others go on and it would lose again.
      stands = knownFrom(outcome.current)
    }
  }
}

export function knownFrom(loaded: Loaded): Known
export function knownFrom(loaded: Loaded | null): Known | null
export function knownFrom(loaded: Loaded | null): Known | null {
  return loaded && { state: Snapshot.of(loaded.record.data), version: loaded.version }
}

type Step = { readonly waiting: Waiting } & (
  | {
      readonly ok: true
      readonly state: Snapshot
      readonly value: unknown
      /** The keys that this job and those before it looked at or changed. */
      readonly known: Iterable<string>
    }
  | { readonly ok: false; readonly error: unknown }
)

/** Runs the jobs one after the other, each on what the one before left; a job that throws leaves nothing. */
async function runAll(jobs: Waiting[], base: Snapshot, reads: Reads, now: () => number): Promise<Step[]> {
  const steps: Step[] = []
  let state = base
  for (const waiting of jobs) {
    try {
      const done = await runUpdate(waiting.job, state, reads, now())
      state = done.state
      steps.push({ waiting, ok: true, ...done, known: reads.keys })
    } catch (error) {
      steps.push({ waiting, ok: false, error })
    }
  }
  return steps
}

/**
 * Runs a function on a state of the session, once: what it makes of it, and what it returned.
 *
 * @throws what the function threw; SessionError ERR_SESSION_VALUE if it left what JSON can't hold
 */
export async function runUpdate(
  { own, change, deadline }: UpdateJob,
  base: Snapshot,
  reads: Reads,
  now: number,
): Promise<{ state: Snapshot; value: unknown }> {
  const draft = new Draft(base, own, reads)
  const value = await settleWithin(Promise.resolve(change(draft.data)), deadline - now, tookTooLong)
  // All that it got is looked at by whoever gets that.
  if (value === draft.data) reads.noteAll()
  const state = draft.result()
  return { state, value: value === draft.data ? withoutOwn(state.data()) : value }
}

/**
 * Tells each job how it went; only what the last one left stands now.
 *
 * @param exact of which jobs all is known: what was stored was guarded as a whole, or what stands was loaded; else a job
 * knows what it, and those before it, looked at or changed
 */
function settleAll(steps: Step[], { state, version }: Known, exact: 'all' | 'last' | 'none'): void {
  const last = steps.findLast(step => step.ok)
  for (const step of steps) {
    const { resolve, reject } = step.waiting
    if (!step.ok) reject(step.error)
    else if (step === last)
      resolve({ value: step.value, state, version, known: exact === 'none' ? step.known : 'all' })
    else
      resolve({
        value: step.value,
        state: step.state,
        version: undefined,
        known: exact === 'all' ? 'all' : step.known,
      })
  }
}

/**
 * Milliseconds: about as long as the others need for their turn, if that is short. Jittered, so that processes fall out of
 * step.
 */
function turnover(tookMs: number): number {
  return (0.5 + Math.random()) * Math.min(Math.max(2, tookMs), longestTurn)
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
