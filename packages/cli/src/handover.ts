import type { Worker } from 'node:cluster'

/** How long what an ended worker said last may be on the way, in milliseconds. */
export const lastWordsMs = 100
const lookEveryMs = 5

interface NewConnection {
  readonly act: 'newconn'
  readonly seq: number
}

/**
 * Breaks off connections that were on their way to a worker when it ended. Node's cluster waits for the worker's word on
 * each connection that it hands over, and for ever if the worker died first: the client then hangs, where a connection
 * that breaks can be made again. So the word is given in the worker's place: "accepted", upon which cluster closes its
 * own hold on the connection, the last one. (See `handoff` in Node's lib/internal/cluster/round_robin_handle.js. The
 * other word would hand it to another worker, or, if all have ended, to nobody.)
 */
export function breakOffWhenEnded(worker: Worker): void {
  const { process: child } = worker
  const waiting = new Set<number>()
  const send = child.send.bind(child)
  child.send = (message: unknown, ...rest: never[]) => {
    if (isNewConnection(message)) waiting.add(message.seq)
    return send(message as never, ...rest)
  }
  child.on('internalMessage', (message: unknown) => {
    if (isAnswer(message)) waiting.delete(message.ack)
  })
  const exited = (patience: number) => {
    // As long as it is connected, its last words may still be read.
    if (child.connected && patience > 0) {
      setTimeout(exited, lookEveryMs, patience - lookEveryMs).unref()
      return
    }
    for (const ack of waiting) child.emit('internalMessage', { cmd: 'NODE_CLUSTER', ack, accepted: true })
    // A worker that was killed in the middle of a word is waited for as well, and counted among the living until any
    // word comes: this one means nothing.
    child.emit('internalMessage', { cmd: 'NODE_CLUSTER' })
  }
  child.once('exit', () => exited(lastWordsMs))
}

function isNewConnection(message: unknown): message is NewConnection {
  return isClusters(message) && 'act' in message && message.act === 'newconn' && 'seq' in message
}

function isAnswer(message: unknown): message is { readonly ack: number } {
  return isClusters(message) && 'ack' in message && typeof message.ack === 'number'
}

function isClusters(message: unknown): message is object {
  return typeof message === 'object' && message !== null && 'cmd' in message && message.cmd === 'NODE_CLUSTER'
}
