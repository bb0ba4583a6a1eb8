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

const shields = new WeakMap<Socket, Set<() => boolean>>()

/**
 * From now on who breaks the connection off without an error asks `keeps` first, until the result is called. What is put in the
 * place of `destroy` stays: V8 treats an object of which a property was deleted as a dictionary, and slows down whatever
 * of Node's has seen one.
 */
export function shield(socket: Socket, keeps: () => boolean): () => void {
  const all = shields.get(socket) ?? shieldFirst(socket)
  all.add(keeps)
  return () => void all.delete(keeps)
}

function shieldFirst(socket: Socket): Set<() => boolean> {
  const all = new Set<() => boolean>()
  const { destroy } = socket
  socket.destroy = (error?: Error) => {
    const kept = error === undefined && [...all].filter(keeps => keeps()).length > 0
    return kept ? socket : destroy.call(socket, error)
  }
  shields.set(socket, all)
  return all
}
