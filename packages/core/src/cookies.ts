import { SessionError } from './errors.ts'

export interface CookieOptions {
  readonly name?: string
  readonly httpOnly?: boolean
  readonly secure?: boolean
  readonly sameSite?: 'Strict' | 'Lax' | 'None' | 'strict' | 'lax' | 'none'
  readonly path?: string
  readonly domain?: string
}

export interface CookieSettings {
  readonly name: string
  readonly secure: boolean
  /** All attributes but Max-Age, ready to append: `; Path=/; HttpOnly; ...`. */
  readonly attributes: string
}

/** RFC 6265bis, 5.5: browsers cap a cookie's age there. */
const maxAgeLimit: number = 400 * 24 * 60 * 60 * 1000
/** RFC 6265bis, 5.7: browsers drop a cookie whose name and value together have more octets. */
export const maxCookieBytes = 4096

/** Fills in defaults and refuses combinations that a browser would drop in silence. */
export function cookieSettings(options: CookieOptions, production: boolean): CookieSettings {
  for (const name of ['secure', 'httpOnly'] as const) {
    if (!['boolean', 'undefined'].includes(typeof options[name])) throw bad(`cookie.${name}`, 'true or false')
  }
  const secure = options.secure ?? production
  const name = options.name ?? (secure ? '__Host-sid' : 'sid')
  const path = options.path ?? '/'
  const sameSite = capitalize(String(options.sameSite ?? 'Lax'))
  if (!/^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,255}$/.test(name))
    throw bad('cookie.name', 'letters, digits, - and _ will do, at most 255')
  if (!/^\/[\x20-\x3a\x3c-\x7e]*$/.test(path)) throw bad('cookie.path', 'it starts with / and has no ; in it')
  if (options.domain !== undefined && !/^\.?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(options.domain)) {
    throw bad('cookie.domain', 'a host name such as example.com')
  }
  if (!['Strict', 'Lax', 'None'].includes(sameSite)) throw bad('cookie.sameSite', 'Strict, Lax or None')
  if (sameSite === 'None' && !secure) throw bad('cookie.sameSite', 'None needs cookie.secure: true')
  if (/^__(host|secure)-/i.test(name) && !secure)
    throw bad('cookie.name', `${name} needs cookie.secure: true`)
  if (/^__host-/i.test(name) && (path !== '/' || options.domain !== undefined)) {
    throw bad('cookie.name', `${name} needs path / and no domain; with them name it __Secure-sid`)
  }
  const attributes = [
    `; Path=${path}`,
    options.domain === undefined ? '' : `; Domain=${options.domain}`,
    (options.httpOnly ?? true) ? '; HttpOnly' : '',
    secure ? '; Secure' : '',
    `; SameSite=${sameSite}`,
  ].join('')
  return Object.freeze({ name, secure, attributes })
}

/**
 * The values of all cookies of exactly this name, in the order of the header. Linear in the header's length, never
 * throws. Names are case-sensitive and never decoded: `__host-sid` and `%5f%5fHost-sid` are other cookies.
 */
export function findCookies(header: string | undefined, name: string): string[] {
  const values: string[] = []
  if (header === undefined) return values
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + 1)) {
    const equals = skipSpace(header, at + name.length)
    if (header[equals] !== '=' || !startsPair(header, at)) continue
    const semicolon = header.indexOf(';', equals)
    values.push(trimSpace(header.slice(equals + 1, semicolon === -1 ? undefined : semicolon)))
  }
  return values
}

/** A Set-Cookie header's value. `maxAge` in milliseconds; without it the cookie ends with the browser. */
export function serializeCookie(settings: CookieSettings, value: string, maxAge?: number): string {
  if (settings.name.length + value.length > maxCookieBytes)
    throw tooLarge(settings.name.length + value.length)
  const age =
    maxAge === undefined ? '' : `; Max-Age=${Math.max(0, Math.ceil(Math.min(maxAge, maxAgeLimit) / 1000))}`
  return `${settings.name}=${value}${settings.attributes}${age}`
}

/** A Set-Cookie header's value that makes the browser drop the cookie. */
export function clearCookie(settings: CookieSettings): string {
  return `${settings.name}=${settings.attributes}; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT`
}

export function tooLarge(bytes: number): SessionError {
  return new SessionError(
    'ERR_SESSION_COOKIE_TOO_LARGE',
    `The session needs a cookie of ${bytes} bytes and browsers accept ${maxCookieBytes}. Nothing was changed. Keep less in the session, or use a store with a server side (SESSION_STORE=filesystem or redis).`,
  )
}

function bad(setting: string, hint: string): SessionError {
  return new SessionError('ERR_SESSION_SETTING', `The session setting ${setting} can't work: ${hint}.`)
}

function capitalize(word: string): string {
  return word.charAt(0).toUpperCase() + word.slice(1).toLowerCase()
}

/** RFC 6265bis, 5.6 strips spaces and tabs only: a no-break space is part of a name. */
function isSpace(character: string | undefined): boolean {
  return character === ' ' || character === '\t'
}

function skipSpace(header: string, at: number): number {
  while (isSpace(header[at])) at++
  return at
}

/** True if only spaces lie between `at` and the `;` or the beginning before it. */
function startsPair(header: string, at: number): boolean {
  let before = at - 1
  while (isSpace(header[before])) before--
  return before < 0 || header[before] === ';'
}

function trimSpace(value: string): string {
  let start = 0
  let end = value.length
  while (isSpace(value[start])) start++
  while (end > start && isSpace(value[end - 1])) end--
  return value.slice(start, end)
}
