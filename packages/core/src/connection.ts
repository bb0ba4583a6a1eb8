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

interface Shield {
  readonly waiting: Set<() => boolean>
  /** It was asked to close: what comes later is not waited for. */
  closing: boolean
}

const shields = new WeakMap<Socket, Shield>()

/**
 * From now on who breaks the connection off without an error asks `keeps` first, until the result is called; the first time,
 * each one that waits then, so that all know that they are to close it. What is put in the place of `destroy` stays: V8
 * treats an object of which a property was deleted as a dictionary, and slows down whatever of Node's has seen one.
 */
export function shield(socket: Socket, keeps: () => boolean): () => void {
  const { waiting, closing } = shields.get(socket) ?? shieldFirst(socket)
  if (!closing) waiting.add(keeps)
  return () => void waiting.delete(keeps)
}

function shieldFirst(socket: Socket): Shield {
  const shield: Shield = { waiting: new Set(), closing: false }
  const { destroy } = socket
  socket.destroy = (...args: Parameters<typeof destroy>) => {
    let kept = false
    if (args[0] === undefined) for (const keeps of shield.waiting) kept = keeps() || kept
    shield.closing ||= kept
    return kept ? socket : destroy.apply(socket, args)
  }
  shields.set(socket, shield)
  return shield
}
