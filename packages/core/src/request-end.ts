import type { IncomingMessage, ServerResponse } from 'node:http'
import { isConnection, onceClosed } from './connection.ts'
import type { SessionRequest } from './request.ts'
import type { Sessions } from './sessions.ts'

/**
 * For an answer that may leave by another way than the response, such as a WebSocket's: what is changed until the
 * connection has closed is stored then. An upgrade's response never ends, so its session is committed; of another one a
 * handler may still be at work, and end it.
 */
export function saveAtEnd(
  sessions: Sessions,
  request: SessionRequest,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const save = () => {
    const storing = isUpgrade(req) ? request.commit() : request.isOpen ? request.save() : undefined
    storing?.catch(error => sessions.report(error))
  }
  // Others that listen to the close may still change something.
  atEnd(req, res, () => setImmediate(save))
}

/**
 * When nothing of the request can follow any more. A client that hangs up may leave it without an end, even before it came
 * here. The response of an upgrade to a WebSocket is never sent and never closes; one that waits for its turn on a
 * connection may not close either if that does.
 */
export function atEnd(req: IncomingMessage, res: ServerResponse, work: () => void): void {
  if (res.closed || res.destroyed || req.socket?.destroyed) work()
  else
    res.once('close', res.socket === null && isConnection(req.socket) ? onceClosed(req.socket, work) : work)
}

/** One to whose server somebody listens for upgrades. Node's types do not tell of it. */
export function isUpgrade(req: IncomingMessage): boolean {
  return 'upgrade' in req && req.upgrade === true
}
