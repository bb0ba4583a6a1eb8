import { type ClientRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http'

export interface Reply {
  readonly status: number
  readonly statusMessage: string
  readonly headers: IncomingHttpHeaders
  readonly setCookies: readonly string[]
  readonly body: string
  json(): Record<string, unknown>
}

export interface Asking {
  readonly method?: string
  readonly headers?: OutgoingHttpHeaders
  readonly body?: string
  /** Is called when the first byte of the reply is there. */
  readonly firstByte?: () => void
  /** Is given the request, to abort it. */
  readonly started?: (request: ClientRequest) => void
}

/** One request on a connection of its own. Rejects if the connection breaks before the reply is complete. */
export function ask(port: number, path: string, asking: Asking = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, firstByte, started } = asking
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, path, method, headers, agent: false })
    if (firstByte) req.once('socket', socket => socket.once('data', firstByte))
    req.on('error', reject)
    req.on('response', res => {
      const chunks: Buffer[] = []
      res.on('data', chunk => chunks.push(chunk))
      res.on('error', reject)
      res.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({
          status: res.statusCode ?? 0,
          statusMessage: res.statusMessage ?? '',
          headers: res.headers,
          setCookies: res.headers['set-cookie'] ?? [],
          body: text,
          json: () => JSON.parse(text),
        })
      })
    })
    started?.(req)
    req.end(body)
  })
}

/** Somebody with a browser: keeps the cookies that come, sends them back. */
export class Visitor {
  readonly #port: number
  readonly cookies: Map<string, string>

  constructor(port: number, cookies: Iterable<readonly [string, string]> = []) {
    this.#port = port
    this.cookies = new Map(cookies)
  }

  /** The value of the only cookie. */
  get cookie(): string {
    return [...this.cookies.values()][0] ?? ''
  }

  /** Somebody else with the same cookies, such as a thief or a second tab. */
  copy(): Visitor {
    return new Visitor(this.#port, this.cookies)
  }

  async get(path: string, asking: Asking = {}): Promise<Reply> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const headers = { ...(cookie && { cookie }), ...asking.headers }
    const reply = await ask(this.#port, path, { ...asking, headers })
    for (const line of reply.setCookies) this.#keep(line)
    return reply
  }

  #keep(line: string): void {
    const [, name = '', value = ''] = /^([^=]*)=([^;]*)/.exec(line) ?? []
    if (/;\s*max-age=0/i.test(line)) this.cookies.delete(name)
    else this.cookies.set(name, value)
  }
}
