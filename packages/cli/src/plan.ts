/** What the primary tells a worker to do. */
export interface Plan {
  /** Of the module to serve. */
  readonly url: string
  /** `null`: the process itself serves; else so many threads in it. */
  readonly threads: number | null
  /** Which of the sockets is the process's own, if it has no threads. */
  readonly place: number
  readonly listen: ListenPlan
  readonly limits: Limits
}

/** In milliseconds. */
export interface Limits {
  /** For a request to come in, and for its answer to begin; 0 is no limit. */
  readonly request: number
  /** For a connection to wait for its next request. */
  readonly keepAlive: number
  /** For what runs when a worker stops. */
  readonly stop: number
}

/** The sockets that every worker inherits; none on Windows, where cluster hands them over. */
export interface ListenPlan {
  readonly fds: readonly number[]
  readonly port: number
  readonly host: string | undefined
}

/** How long a worker may take in all, to close its stores too, before the primary ends it. */
export function workerLimit({ stop }: Limits): number {
  return stop + 5_000
}

/** What `toPlan` reads. */
export function fromPlan(plan: Plan): string {
  return JSON.stringify(plan)
}

export function toPlan(text: string): Plan {
  return JSON.parse(text)
}
