import type { IncomingMessage, ServerResponse } from 'node:http'
import { SessionError } from './errors.ts'
import type { SessionRequest } from './request.ts'
import { isUpgrade, saveAtEnd } from './request-end.ts'
import { ResponseGate } from './response-gate.ts'
import type { Sessions } from './sessions.ts'
import type { StoreFailurePolicy } from './settings.ts'

export { withdrawAnswer } from './http-headers.ts'
export { saveAtEnd }

/** What users may say where they mount the middleware. */
export interface MountOptions {
  /** For what is mounted here, instead of the setting of this name. */
  readonly onStoreFailure?: StoreFailurePolicy | undefined
}

const attached = Symbol('sojourn.request')

/** Further out, where there are several kinds of sessions. */
const others = Symbol('sojourn.others')

/** A framework's request or context. */
interface Attached {
  [attached]?: SessionRequest
  [others]?: readonly SessionRequest[]
}

/** One for all requests: with functions of their own, each would make V8 treat its object as a dictionary from then on. */
const sessionProperty: PropertyDescriptor & ThisType<Attached> = {
  configurable: true,
  // Before the load is done, or if it failed, there is none to look at; whoever logs requests does so even then.
  get() {
    const request = this[attached]
    return request?.isLoaded ? request.session : undefined
  },
  set() {
    throw new TypeError(
      'The session can not be replaced: change its keys, or end it with await session.destroy().',
    )
  },
}

export interface AttachOptions extends MountOptions {
  /** Gets the error of a failed commit, to answer with it; nothing of the handler's answer has left. */
  readonly fail: (error: unknown) => void
}

/**
 * Gives `target`, a framework's request or context, its `session`, and holds every byte of the response back until
 * the session is committed, whatever the handler does first: `end`, `write`, `writeHead`, `flushHeaders`, `pipe`. A
 * response that needs no commit is not delayed at all.
 *
 * An application inside another one, of whichever framework, has the session of that one if they share `sessions`.
 *
 * The adapter still has to `load()` the session before it lets the handler run.
 */
export function attachSession(
  sessions: Sessions,
  target: object,
  req: IncomingMessage,
  res: ServerResponse,
  { fail, onStoreFailure }: AttachOptions,
): SessionRequest {
  const above = ResponseGate.above(sessions, req, res)
  const request = above ?? sessions.begin(req.headers.cookie, onStoreFailure)
  const owner = target as Attached
  const { [attached]: outer } = owner
  if (outer !== undefined) owner[others] = [...(owner[others] ?? []), outer]
  giveSession(target, request)
  // An upgrade to a WebSocket may come without any response.
  if (typeof res.once !== 'function') request.release()
  else if (above === undefined) {
    new ResponseGate(sessions, request, req, res, fail)
    if (isUpgrade(req)) saveAtEnd(sessions, request, req, res)
  }
  return request
}

/** From now on the `session` of `target` is that of `request`. */
export function giveSession(target: object, request: SessionRequest): void {
  const owner = target as Attached
  owner[attached] = request
  Object.defineProperty(target, 'session', sessionProperty)
}

/** Whose session of these sessions `target` had further out, under another kind. */
export function outerRequestOf(sessions: Sessions, target: object): SessionRequest | undefined {
  return (target as Attached)[others]?.find(request => sessions.owns(request))
}

/** Whose session `target` has, if one of ours. */
export function sessionRequestOf(target: object): SessionRequest | undefined {
  return (target as Attached)[attached]
}

/**
 * Whether `target` has its session of `sessions` already, because they are mounted above.
 *
 * @throws SessionError ERR_SESSION_SETTING if its session is not of this library
 */
export function hasSession(sessions: Sessions, target: object): boolean {
  const request = sessionRequestOf(target)
  if (request) return sessions.owns(request)
  if (!Object.hasOwn(target, 'session') || (target as { session: unknown }).session == null) return false
  throw new SessionError(
    'ERR_SESSION_SETTING',
    'The request has a session of another library already: mount the one beside the other, on paths of their own, not inside it.',
  )
}
