import type { Cause } from './restarts.ts'

/** What a worker tells the primary. The key `sojourn` keeps these apart from what an application itself sends. */
export type FromWorker = Said | Ready | Failed | Leaving

/** The primary shows once what all workers say: while they start, or of what all of them have met. */
export interface Said {
  readonly sojourn: 'said'
  readonly to: 'stdout' | 'stderr'
  readonly text: string
}

/** The worker listens. */
export interface Ready {
  readonly sojourn: 'ready'
  /** One for each that the application opened. */
  readonly sessions: readonly SessionsFacts[]
  readonly trustsProxy?: boolean | undefined
}

export interface SessionsFacts {
  /** Whether other workers see the same sessions. */
  readonly shared: boolean
  /** Of the secret. */
  readonly fingerprint: string
  /** Whether the cookie is. */
  readonly secure: boolean
}

/** The worker can't start, and why. */
export interface Failed {
  readonly sojourn: 'failed'
  readonly message: string
}

/** The worker finishes what runs and then ends, without having been told by the primary: it needs a successor. */
export interface Leaving {
  readonly sojourn: 'leaving'
  readonly cause: Cause
}

/** What a thread tells its process: the module is loaded. */
export const loadedMessage = 'sojourn:loaded'

/** What the process answers. */
export const listenMessage = 'sojourn:listen'

/** What the primary tells a worker: finish what runs, then end. */
export const stopMessage = 'sojourn:stop'

/** The same, when another serves already, so that there is no hurry. */
export const retireMessage = 'sojourn:retire'

/** What the primary tells a worker: accept from another's socket too, because that one has died. */
export interface Adopt {
  readonly sojourn: 'adopt'
  readonly place: number
}

export function isAdopt(message: unknown): message is Adopt {
  return isFromWorker(message) && 'place' in message
}

export function isFromWorker(message: unknown): message is FromWorker {
  return typeof message === 'object' && message !== null && 'sojourn' in message
}
