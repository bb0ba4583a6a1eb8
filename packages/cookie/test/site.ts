import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isSessionError, openSessions, type Session, type SessionOptions } from '@sojourn/core'
import { attachSession } from '@sojourn/core/http'
import { onTestFinished } from 'vitest'

export const secret = 'the secret of a site that only tests know'

/** What one request of a test does with the session; the answer is its JSON. */
type Handler = (session: Session & Record<string, unknown>, url: URL) => unknown

export interface Answer {
  readonly status: number
  readonly body: unknown
  /** `name=value`, if the response set the cookie. */
  readonly cookie: string | undefined
}

/** Signs in, sets `?key=value` pairs of the query, and answers the session. */
async function remember(session: Session & Record<string, unknown>, url: URL): Promise<unknown> {
  if (url.pathname === '/sign-in') await session.regenerate({ userId: 'ada' })
  if (url.pathname === '/sign-out') await session.destroy()
  for (const [key, value] of url.searchParams) session[key] = value
  return Object.assign({ userId: session.userId ?? null }, session)
}

/** A bare Node server with sessions in cookies. */
export async function openSite(options: SessionOptions = {}, handler: Handler = remember) {
  const silent = { info() {}, warn() {}, error() {} }
  const sessions = await openSessions({ store: 'cookie', secret, logger: silent, env: {}, ...options })

  async function answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const fail = (error: unknown) => {
      res.statusCode = isSessionError(error) ? error.status : 500
      res.end(JSON.stringify(isSessionError(error) ? error.code : String(error)))
    }
    const target: { session?: Session & Record<string, unknown> } = {}
    const request = attachSession(sessions, target, req, res, { fail })
    try {
      await request.load()
      if (target.session === undefined) throw new Error('no session')
      res.end(JSON.stringify(await handler(target.session, new URL(req.url ?? '/', 'http://site'))))
    } catch (error) {
      fail(error)
    }
  }

  const server = createServer((req, res) => void answer(req, res)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.closeAllConnections()
    server.close()
    await sessions.close()
  })
  const { port } = server.address() as AddressInfo

  return async function get(path: string, cookie?: string): Promise<Answer> {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers: cookie ? { cookie } : {} })
    const [set] = response.headers.getSetCookie()
    return { status: response.status, body: await response.json(), cookie: set?.split(';')[0] }
  }
}

export function cookieValue(cookie: string | undefined): string {
  if (cookie === undefined) throw new Error('the response set no cookie')
  return cookie.slice(cookie.indexOf('=') + 1)
}
