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

/** Milliseconds for which a server that stops goes on accepting: under load there is always one more. */
export const longestAcceptMs = 5_000
const longestCloseMs = 5_000

/** In milliseconds. */
export interface Limits {
  /** For a request to come in, and for its answer to begin; 0 is no limit. */
  readonly request: number
  /** For a connection to wait for its next request. */
  readonly keepAlive: number
  /** For what runs when a worker stops. */
  readonly stop: number
  /** For a worker to start; 0 is no limit. */
  readonly start: number
}

/** The sockets that every worker inherits; none on Windows, where cluster hands them over. */
export interface ListenPlan {
  readonly fds: readonly number[]
  readonly port: number
  readonly host: string | undefined
}

/** How long a worker may take in all before the primary ends it: to accept what waits, to finish, to close its stores. */
export function stopLimit({ stop }: Limits): number {
  return longestAcceptMs + stop + longestCloseMs
}

/** What `toPlan` reads. */
export function fromPlan(plan: Plan): string {
  return JSON.stringify(plan)
}

export function toPlan(text: string): Plan {
  return JSON.parse(text)
}
