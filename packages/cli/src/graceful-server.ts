import { once } from 'node:events'
import { type IncomingMessage, Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises'
import { type Limits, longestAcceptMs } from './plan.ts'
import { processFor, processHeader } from './process-header.ts'

/** How long a connection without a request may stay open if the end is to come soon: its next request may be on the way. */
const lastCallMs = 1000
/** When so long no connection came, none is on the way. */
const noMoreMs = 200

const tooSlow = 'HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 0\r\n\r\n'

/**
 * An HTTP server that stops without cutting an answer. Node's own `close` hangs up at once on connections between
 * two requests, and waits for connections that a browser opened in advance and may never use.
 */
export class GracefulServer extends Server {
  readonly #limits: Limits
  readonly #quiet = new Set<Socket>()
  readonly #answers = new Set<ServerResponse>()
  /** Their heads said, before the stop, that the connection takes another request. */
  readonly #promised = new Set<ServerResponse>()
  #accepted = 0
  #stopping = false
  /** How long a connection may wait for its next request once the server stops, in milliseconds. */
  #lastCall = lastCallMs

  constructor(limits: Limits) {
    super({
      requestTimeout: limits.request,
      headersTimeout: limits.request,
      connectionsCheckingInterval: Math.min(30_000, Math.max(100, limits.request / 4)),
      keepAliveTimeout: limits.keepAlive,
    })
    this.#limits = limits
    this.on('connection', (socket: Socket) => {
      this.#accepted++
      this.#quiet.add(socket)
      socket.once('close', () => this.#quiet.delete(socket))
    })
    this.on('request', (req, res) => this.#track(req, res))
  }

  /**
   * Stops accepting, once nothing waits to be accepted, and resolves when every answer has left, or was cut because it
   * took longer than the limit.
   *
   * @param soon if false, connections that wait for a next request do so for as long as they were promised
   * @returns how many answers were cut
   */
  async stop(soon: boolean): Promise<number> {
    let cut = 0
    this.#stopping = true
    if (!soon) this.#lastCall = Math.max(lastCallMs, this.#limits.keepAlive)
    for (const res of this.#answers) {
      if (res.headersSent) this.#promised.add(res)
      else res.setHeader('Connection', 'close')
    }
    await this.#acceptWhatWaits()
    const closed = once(this, 'close')
    this.close()
    // Others fall quiet later: each has its own time.
    const quiet = [...this.#quiet]
    const lastCall = setTimeout(() => this.#hangUp(quiet), this.#lastCall)
    const end = setTimeout(() => {
      cut = this.#answers.size
      this.closeAllConnections()
      for (const socket of this.#quiet) socket.destroy()
    }, this.#limits.stop)
    await closed
    clearTimeout(lastCall)
    clearTimeout(end)
    return cut
  }

  /** `close` calls it. See `lastCallMs`. */
  override closeIdleConnections(): void {
    if (!this.#stopping) super.closeIdleConnections()
  }

  /**
   * Whoever connected in time is answered. Node accepts one connection in each turn of the event loop, and a busy system
   * may take a while to bring those that clients hold for made.
   */
  async #acceptWhatWaits(): Promise<void> {
    const begun = performance.now()
    let before = -1
    while (before < this.#accepted && performance.now() - begun < longestAcceptMs) {
      before = this.#accepted
      await sleep(noMoreMs)
      await nextTurns()
    }
  }

  #track(req: IncomingMessage, res: ServerResponse): void {
    const { socket } = req
    this.#quiet.delete(socket)
    this.#answers.add(res)
    if (this.#stopping) res.setHeader('Connection', 'close')
    const answering = processFor(req)
    if (answering !== undefined) res.setHeader(processHeader, answering)
    const { request: limit } = this.#limits
    const late = limit > 0 ? setTimeout(() => this.#refuse(res), limit) : undefined
    res.once('close', () => {
      clearTimeout(late)
      this.#answers.delete(res)
      if (this.#stopping && !this.#promised.has(res)) socket.destroySoon()
      else if (!socket.destroyed) this.#quiet.add(socket)
      if (this.#promised.delete(res)) setTimeout(() => this.#hangUp([socket]), this.#lastCall)
    })
  }

  /** Past the application, which may still be at it: what it writes later is for nobody. */
  #refuse(res: ServerResponse): void {
    if (res.headersSent) return
    process.stderr.write(
      `A request was not answered within ${this.#limits.request / 1000} s: 503. (--request-timeout)\n`,
    )
    res.socket?.end(tooSlow)
    res.socket?.destroySoon()
  }

  /** Only on those of which nothing has come in: a busy process may not have read it yet. */
  async #hangUp(on: readonly Socket[]): Promise<void> {
    await nextTurns()
    for (const socket of on) if (this.#quiet.has(socket)) socket.destroy()
  }
}

/** A busy process has read by then what came in. */
async function nextTurns(): Promise<void> {
  await nextTurn()
  await nextTurn()
}
