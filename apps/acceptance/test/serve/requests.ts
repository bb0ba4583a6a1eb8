import { once } from 'node:events'
import { Agent, type ClientRequest, get } from 'node:http'
import { text } from 'node:stream/consumers'

export interface Answer {
  readonly status: number
  readonly cookie: string | undefined
  readonly body: Record<string, unknown>
}

/** A request that was sent: its bytes have left, on a connection that stands. */
export interface Sent {
  readonly request: ClientRequest
  readonly left: Promise<void>
  readonly answer: Promise<Answer>
}

/** What sends requests to a port of loopback: over connections of their own, or over those that stand. */
export class Client {
  readonly #port: number
  readonly #standing: Agent
  readonly #own = new Agent({ keepAlive: false })

  /** @param connections how many of those that stand at most */
  constructor(port: number, connections = Number.POSITIVE_INFINITY) {
    this.#port = port
    this.#standing = new Agent({ keepAlive: true, maxSockets: connections })
  }

  send(path: string, cookie: string | undefined, over: 'standing' | 'own'): Sent {
    const request = get({
      host: '127.0.0.1',
      port: this.#port,
      path,
      agent: over === 'own' ? this.#own : this.#standing,
      ...(cookie && { headers: { cookie } }),
    })
    return { request, left: hasLeft(request), answer: answerTo(request) }
  }

  ask(path: string, cookie?: string, over: 'standing' | 'own' = 'own'): Promise<Answer> {
    const { left, answer } = this.send(path, cookie, over)
    return left.then(() => answer)
  }

  /** Signs somebody in. @returns the session's cookie */
  async signIn(): Promise<string> {
    const { cookie } = await this.ask('/sign-in?key=ada')
    if (cookie === undefined) throw new Error('no session cookie came')
    return cookie
  }

  close(): void {
    this.#standing.destroy()
    this.#own.destroy()
  }
}

async function hasLeft(request: ClientRequest): Promise<void> {
  const [socket] = request.socket ? [request.socket] : await once(request, 'socket')
  if (socket.connecting) await once(socket, 'connect')
  if (!request.writableFinished) await once(request, 'finish')
}

async function answerTo(request: ClientRequest): Promise<Answer> {
  const [response] = await once(request, 'response')
  const body = await text(response)
  if (!response.complete) throw new Error('an answer was cut')
  const [setCookie] = response.headers['set-cookie'] ?? []
  const isJson = response.headers['content-type']?.includes('json')
  return {
    status: response.statusCode,
    cookie: setCookie?.split(';')[0],
    body: isJson ? JSON.parse(body) : {},
  }
}
