import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Session, Sessions } from '@sojourn/core'
import type { MountOptions } from '@sojourn/core/http'

declare module '@sojourn/core' {
  /** The scenarios keep all sorts of things. */
  interface SessionData {
    [key: string]: unknown
  }
}

/** What a scenario's handler gets, whatever the framework. */
export interface Exchange {
  /** The framework's object that has the session: Express' request, Koa's context. */
  readonly owner: { readonly session: Session }
  /** Path and query. */
  readonly url: string
  header(name: string, value: string | string[]): void
  /** Answers the way this framework's users do. */
  send(body: string, status?: number): void
  redirect(to: string): void
  /** Node's own objects, for handlers that answer without the framework's help. The status is 200 until they set one. */
  raw(): { req: IncomingMessage; res: ServerResponse }
}

export type Handler = (exchange: Exchange) => unknown

/** Handlers by path, for every method. */
export type Routes = Readonly<Record<string, Handler>>

export interface SiteErrors {
  /** What the application's own error handler answers with, unless the head has left. */
  answer(error: unknown): { status: number; body: string }
  /** Whether it writes to Node's response itself. */
  readonly byHand?: boolean
}

/** A framework, as the scenarios need it. */
export interface Adapter {
  readonly name: string
  /**
   * An application that has the session middleware mounted `mounted` times, as `mount` says, then the routes. Without `errors` it has
   * no error handler of its own.
   */
  serve(
    sessions: Sessions,
    routes: Routes,
    options: { readonly mounted: number; readonly mount: MountOptions; readonly errors?: SiteErrors },
  ): RequestListener
}
