import type { IncomingMessage, OutgoingHttpHeader, OutgoingHttpHeaders, ServerResponse } from 'node:http'
import { isSessionError } from './errors.ts'
import type { Sessions } from './sessions.ts'

/** Headers that describe the answer which an error replaces, or do what it was to do. */
const answerHeaders = `
  cache-control cdn-cache-control surrogate-control expires etag last-modified location refresh set-cookie
  content-disposition content-encoding content-language content-length content-location content-range content-type
  accept-ranges trailer transfer-encoding digest content-digest repr-digest content-md5
  x-accel-redirect x-sendfile clear-site-data`
  .trim()
  .split(/\s+/)

/** Takes back what a handler has prepared, because its change was not stored: an error is answered instead. */
export function withdrawAnswer(res: ServerResponse, error: unknown): void {
  for (const name of answerHeaders) res.removeHeader(name)
  setStatus(res, error)
}

/** The error's. */
export function setStatus(res: ServerResponse, error: unknown): void {
  res.statusCode = isSessionError(error) ? error.status : 500
  // HTTP/2 has none, and warns of whoever sets it.
  if (res.req.httpVersionMajor < 2) res.statusMessage = ''
}

/** What Node itself throws once the head has left. */
export function refuseHeaders(): never {
  throw Object.assign(new Error('Cannot change headers after they are sent to the client'), {
    code: 'ERR_HTTP_HEADERS_SENT',
  })
}

/**
 * Turns the headers of `writeHead(status, message?, headers?)` into set ones, so that ours stand beside them; the
 * arguments that are left.
 */
export function unfoldHead(res: ServerResponse, args: unknown[]): unknown[] {
  const [status, second, third] = args
  const message = typeof second === 'string' ? second : undefined
  const headers = (message === undefined ? (third ?? second) : third) as
    | OutgoingHttpHeaders
    | OutgoingHttpHeader[]
    | undefined
  if (typeof status === 'number') res.statusCode = status
  for (const [name, values] of Array.isArray(headers) ? pairs(headers) : Object.entries(headers ?? {})) {
    if (values !== undefined) res.setHeader(name, values)
  }
  return message === undefined ? [status] : [status, message]
}

/** The raw form `[name, value, name, value]`, or `[[name, value]]`, with repeated names, in any case, collected. */
function pairs(flat: OutgoingHttpHeader[]): [string, OutgoingHttpHeader][] {
  const collected = new Map<string, { name: string; values: string[] }>()
  const list = Array.isArray(flat[0]) ? flat.flat() : flat
  for (let i = 0; i + 1 < list.length; i += 2) {
    const name = String(list[i])
    const header = collected.get(name.toLowerCase()) ?? { name, values: [] }
    header.values.push(...[list[i + 1] ?? ''].flat().map(String))
    collected.set(name.toLowerCase(), header)
  }
  return Array.from(collected.values(), ({ name, values }) => [
    name,
    values.length > 1 ? values : values.join(),
  ])
}

export function varyByCookie(res: ServerResponse): void {
  const vary = res.getHeader('Vary')
  if (vary == null) {
    res.setHeader('Vary', 'Cookie')
    return
  }
  const names = String(vary).match(/[^,\s]+/g) ?? []
  if (names.some(name => name === '*' || name.toLowerCase() === 'cookie')) return
  res.setHeader('Vary', [...names, 'Cookie'].join(', '))
}

/** No cache may keep a response that has a session's cookie, unless the handler says so. */
export function addCookie(res: ServerResponse, cookie: string): void {
  // A list of its own: appendHeader would add to the handler's, which may be a constant that all requests share.
  res.setHeader('Set-Cookie', [res.getHeader('Set-Cookie') ?? [], cookie].flat().map(String))
  if (!res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'no-store')
}

const warned = new WeakSet<Sessions>()

/** A browser drops a Secure cookie that comes over plain http, and nobody is told: once, the operator is. */
export function warnPlainHttp(sessions: Sessions, req: IncomingMessage): void {
  // A request that was made up may have no connection.
  const { socket } = req as { socket?: object | null }
  if (!socket || warned.has(sessions) || 'encrypted' in socket) return
  const { host = '', forwarded } = req.headers
  if (
    String(req.headers['x-forwarded-proto'] ?? '').startsWith('https') ||
    /proto=https/i.test(forwarded ?? '')
  )
    return
  if (/^(localhost|127\.\d+\.\d+\.\d+|\[::1\]|[^:]*\.localhost)(:\d+)?$/i.test(host)) return
  warned.add(sessions)
  sessions.warn(
    "A Secure session cookie was sent over what looks like plain http: browsers will drop it and users stay signed out. Serve https; behind a proxy that ends TLS, let it send X-Forwarded-Proto. For http in development, don't set NODE_ENV=production.",
  )
}
