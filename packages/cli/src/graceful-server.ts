import { once } from 'node:events'
import { type IncomingMessage, Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** How long a connection without a request may stay open at the end: its next request may be on the way. */
const lastCallMs = 1000

/**
 * An HTTP server that stops without cutting an answer. Node's own `close` hangs up at once on connections between
 * two requests, and waits for connections that a browser opened in advance and may never use.
 */
export class GracefulServer extends Server {
  readonly #quiet = new Set<Socket>()
  readonly #answers = new Set<ServerResponse>()
  #stopping = false

  constructor() {
    super()
    this.on('connection', (socket: Socket) => {
      this.#quiet.add(socket)
      socket.once('close', () => this.#quiet.delete(socket))
    })
    this.on('request', (req, res) => this.#track(req, res))
  }

  /**
   * Stops accepting and resolves when every answer has left.
   *
   * @param limit in milliseconds, after which what still runs is cut
   * @returns how many answers were cut
   */
  async stop(limit: number): Promise<number> {
    let cut = 0
    this.#stopping = true
    for (const res of this.#answers) if (!res.headersSent) res.setHeader('Connection', 'close')
    const closed = once(this, 'close')
    this.close()
    const lastCall = setTimeout(() => this.#hangUp(), lastCallMs)
    const end = setTimeout(() => {
      cut = this.#answers.size
      this.closeAllConnections()
      this.#hangUp()
    }, limit)
    await closed
    clearTimeout(lastCall)
    clearTimeout(end)
    return cut
  }

  /** `close` calls it. See `lastCallMs`. */
  override closeIdleConnections(): void {
    if (!this.#stopping) super.closeIdleConnections()
  }

  #track({ socket }: IncomingMessage, res: ServerResponse): void {
    this.#quiet.delete(socket)
    this.#answers.add(res)
    if (this.#stopping) res.setHeader('Connection', 'close')
    res.once('close', () => {
      this.#answers.delete(res)
      if (this.#stopping) socket.destroySoon()
      else if (!socket.destroyed) this.#quiet.add(socket)
    })
  }

  #hangUp(): void {
    for (const socket of this.#quiet) socket.destroy()
  }
}
