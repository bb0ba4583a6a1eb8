import type { IncomingMessage } from 'node:http'
import { threadId } from 'node:worker_threads'
import type { Session, Sessions } from '@sojourn/core'

export type ServerName = 'Express' | 'Koa'

/** The id of this process, with that of this thread if it has several. */
export const processName: string = threadId === 0 ? `${process.pid}` : `${process.pid}.${threadId}`

/** Which process of which server answered a page. */
export interface Stop {
  readonly pid: string
  readonly server: ServerName
}

declare module '@sojourn/core' {
  interface SessionData {
    note?: string
    count?: number
    theme?: 'light' | 'dark'
    /** Who answered the last pages, the newest last. */
    trail?: Stop[]
  }
}

/** A request, whichever framework got it. */
export interface Visit {
  readonly server: ServerName
  readonly method: string
  readonly path: string
  readonly session: Session
  readonly sessions: Sessions
  readonly req: IncomingMessage
}

/** What the framework sends. */
export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
}
