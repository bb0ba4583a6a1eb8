import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe } from 'node:diagnostics_channel'
import type { Socket } from 'node:net'

const ours = new AsyncLocalStorage<true>()
let listening = false

/**
 * Runs what opens connections. A TLS socket whose certificate the server refuses emits an error twice, and node-redis
 * listens once: the second would end the process. So the sockets that are opened here, or later by what is begun here,
 * get a listener more.
 */
export function withSpareErrors<T>(work: () => T): T {
  if (!listening) subscribe('net.client.socket', listen)
  listening = true
  return ours.run(true, work)
}

function listen(message: unknown): void {
  const { socket } = message as { socket: Socket }
  if (ours.getStore()) socket.on('error', () => undefined)
}
