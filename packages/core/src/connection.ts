import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** One that was made up, as in tests, may have none. */
export function isConnection(socket: Partial<Socket> | null | undefined): socket is Socket {
  return typeof socket?.once === 'function'
}

const waiting = new WeakMap<Socket, Set<() => void>>()

/** Calls `work` when the connection closes, or when the result is called. One listener for all: many may wait on a connection. */
export function onceClosed(socket: Socket, work: () => void): () => void {
  const known = waiting.get(socket)
  const works = known ?? new Set()
  if (known === undefined) {
    waiting.set(socket, works)
    socket.once('close', () => {
      for (const each of works) each()
    })
  }
  works.add(work)
  return () => {
    works.delete(work)
    work()
  }
}

/** Of one answer that waits for the store: whether it has its end already. */
type Wait = () => boolean

interface Shield {
  readonly waiting: Set<Wait>
  /** For these a connection that is to be closed stays open until the last of them has left. */
  readonly lasting: Set<Wait>
}

const shields = new WeakMap<Socket, Shield>()

/**
 * From now on, who breaks the connection off without an error waits for this answer, if it has its end; not if that was asked
 * before. What is put in the place of `destroy` stays: V8 treats an object of which a property was deleted as a dictionary,
 * and slows down whatever of Node's has seen one.
 *
 * @returns what is to be called when the answer goes on its way
 */
export function shield(socket: Socket, hasEnd: () => boolean): (answer: ServerResponse) => void {
  const { waiting, lasting } = shields.get(socket) ?? shieldFirst(socket)
  if (lasting.size === 0) waiting.add(hasEnd)
  return answer => {
    waiting.delete(hasEnd)
    if (!lasting.has(hasEnd)) return
    answer.once('finish', () => {
      lasting.delete(hasEnd)
      if (lasting.size === 0) socket.destroy()
    })
  }
}

function shieldFirst(socket: Socket): Shield {
  const waiting = new Set<Wait>()
  const lasting = new Set<Wait>()
  const { destroy } = socket
  socket.destroy = (...args: Parameters<typeof destroy>) => {
    for (const hasEnd of waiting) if (hasEnd()) lasting.add(hasEnd)
    // Node itself asks for it once the client has hung up: nothing can leave any more.
    const kept = args[0] === undefined && !socket.writableEnded && lasting.size > 0
    return kept ? socket : destroy.apply(socket, args)
  }
  shields.set(socket, { waiting, lasting })
  return { waiting, lasting }
}
