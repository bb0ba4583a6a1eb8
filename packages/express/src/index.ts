import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Session, Sessions } from '@sojourn/core'
import { attachSession, hasSession, type MountOptions } from '@sojourn/core/http'

declare global {
  // Express' own place for what middleware adds to a request.
  namespace Express {
    interface Request {
      /** The session of this request. */
      readonly session: Session
      /** The session's id under its name in express-session; `undefined` until it is first stored. */
      readonly sessionID: string | undefined
    }
  }
}

/** What `app.use` takes, without the need for Express' own types. */
export type SessionMiddleware = (
  req: IncomingMessage,
  res: ServerResponse,
  next: (error?: unknown) => void,
) => void

const sessionIdProperty: PropertyDescriptor & ThisType<{ session: Session | undefined }> = {
  configurable: true,
  get() {
    return this.session?.id
  },
}

/**
 * Express middleware that gives each request its `req.session`. Put it after what needs no session, such as static
 * files: a request with a session cookie costs one load.
 *
 * Errors go to Express' error handlers with `status` and `code`: 503 `ERR_SESSION_STORE_UNAVAILABLE` if the store
 * is down, 409 `ERR_SESSION_GONE` if the session ended while this request was changing it.
 */
export function session(sessions: Sessions, { onStoreFailure }: MountOptions = {}): SessionMiddleware {
  return (req, res, next) => {
    // Mounted twice, the outer one is in charge.
    if (hasSession(sessions, req)) return next()
    const request = attachSession(sessions, req, req, res, { fail: next, onStoreFailure })
    Object.defineProperty(req, 'sessionID', sessionIdProperty)
    const loading = request.load()
    if (loading === undefined) next()
    else loading.then(() => next(), next)
  }
}
