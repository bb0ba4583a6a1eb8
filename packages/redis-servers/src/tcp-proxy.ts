import { once } from 'node:events'
import { createConnection, createServer, type Server, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'

/**
 * What becomes of what is sent: it arrives, late by some milliseconds, byte by byte; or nowhere, and nobody is told; or
 * the answers are such as no server gives.
 */
export type Weather = 'fair' | { readonly late: number } | 'trickle' | 'nowhere' | 'garbage'

type Pair = readonly [client: Socket, target: Socket]

/** A network on loopback between clients and a server, that can be made slow or broken while they are connected. */
export class TcpProxy {
  weather: Weather = 'fair'
  readonly #server: Server
  readonly #target: number
  readonly #pairs = new Set<Pair>()

  private constructor(target: number) {
    this.#target = target
    this.#server = createServer(client => this.#connect(client))
  }

  static async to(port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(port)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get url(): string {
    const address = this.#server.address()
    return `redis://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  }

  /** Resets all connections. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.resetAndDestroy()
  }

  /** Connections that stand lead nowhere from now on; new ones arrive. */
  strand(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.removeAllListeners('data').resume()
  }

  stop(): void {
    this.#server.close()
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy()
  }

  #connect(client: Socket): void {
    const target = createConnection(this.#target, '127.0.0.1')
    const pair: Pair = [client, target]
    this.#pairs.add(pair)
    this.#carry(client, target, false)
    this.#carry(target, client, true)
    client.once('close', () => this.#pairs.delete(pair))
  }

  /** In order, whatever the weather. */
  #carry(from: Socket, to: Socket, answers: boolean): void {
    let last = Promise.resolve()
    from.setNoDelay().on('data', chunk => {
      const weather = this.weather === 'garbage' && !answers ? 'fair' : this.weather
      const due = performance.now() + (typeof weather === 'object' ? weather.late : 0)
      last = last.then(() => deliver(chunk, to, weather, due))
    })
    from.on('error', () => to.destroy()).on('close', () => to.destroy())
  }
}

async function deliver(chunk: Buffer, to: Socket, weather: Weather, due: number): Promise<void> {
  if (weather === 'nowhere') return
  const wait = due - performance.now()
  if (wait > 0) await sleep(wait)
  if (weather === 'garbage') to.write('HTTP/1.1 400 Bad Request\r\n\r\n')
  else if (weather !== 'trickle') to.write(chunk)
  else {
    for (const byte of chunk) {
      to.write(Buffer.of(byte))
      await new Promise(setImmediate)
    }
  }
}
