import { Stream } from 'node:stream'
import type { Session, Sessions } from '@sojourn/core'
import {
  attachSession,
  giveSession,
  hasSession,
  type MountOptions,
  outerRequestOf,
  saveAtEnd,
  sessionRequestOf,
  withdrawAnswer,
} from '@sojourn/core/http'
import type { Middleware } from 'koa'

declare module 'koa' {
  interface ExtendableContext {
    /** The session of this request. */
    readonly session: Session
  }
}

/**
 * Koa middleware that gives each request its `ctx.session`. What the middleware below it changed is stored when
 * they are done, or before the first byte if one writes to `ctx.res` itself.
 *
 * Errors are thrown to the middleware above with `status` and `code`: 503 `ERR_SESSION_STORE_UNAVAILABLE` if the
 * store is down, 409 `ERR_SESSION_GONE` if the session ended while this request was changing it.
 */
export function session(sessions: Sessions, { onStoreFailure }: MountOptions = {}): Middleware {
  return async (ctx, next) => {
    // Mounted twice, the outer one is in charge.
    if (hasSession(sessions, ctx)) return next()
    const outer = sessionRequestOf(ctx)
    const again = outerRequestOf(sessions, ctx)
    if (outer && again) {
      giveSession(ctx, again)
      return next().finally(() => giveSession(ctx, outer))
    }
    const fail = (error: unknown) => ctx.onerror(toError(error))
    const request = attachSession(sessions, ctx, ctx.req, ctx.res, { fail, onStoreFailure })
    try {
      await request.load()
      await next()
    } catch (error) {
      await request.commit()?.catch(failure => sessions.report(failure))
      throw error
    } finally {
      if (outer !== undefined) giveSession(ctx, outer)
    }
    if (ctx.respond === false) {
      // Somebody else answers, perhaps later, or on the socket: whatever that somebody changes is stored as well.
      saveAtEnd(sessions, request, ctx.req, ctx.res)
      if (request.isOpen) await request.save().catch(error => sessions.report(error))
      return
    }
    const stored = request.commit()
    if (stored === undefined) return
    // Koa listens to a stream's errors once it sends it: one that comes while the session is stored would be nobody's.
    let broken: unknown
    if (ctx.body instanceof Stream) ctx.body.once('error', error => (broken = error))
    try {
      await stored
    } catch (error) {
      // Its head has left, with an error's status or with ours: what is left of it is sent, so that it ends.
      if (ctx.headerSent) return
      withdrawAnswer(ctx.res, error)
      ctx.body = null
      throw error
    }
    if (broken !== undefined) throw broken
  }
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
