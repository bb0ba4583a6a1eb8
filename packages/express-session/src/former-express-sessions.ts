import type { FormerSession, FormerSessions } from '@sojourn/core'
import { findCookies } from '@sojourn/core/store-kit'
import { unsign } from 'cookie-signature'
import { type ExpressSessionStore, isObject, PromisedStore } from './express-session-store.ts'

export interface FormerExpressSessionsOptions {
  /** The one that express-session had. */
  readonly store: ExpressSessionStore
  /** As express-session had it: all of them verify. */
  readonly secret: string | readonly string[]
  /** Of the cookie; the default is express-session's, `connect.sid`. */
  readonly name?: string
  /** Whom a session belongs to, if to anybody. With Passport: `({ passport }) => passport?.user`, if that is a text. */
  readonly userId?: (data: Readonly<Record<string, unknown>>) => string | undefined
}

/**
 * The sessions that an application has from express-session, for `openSessions({ takeOver })`: each becomes one of ours, with
 * its data, at the first request that comes with its cookie, and its old record is ended.
 */
export function formerExpressSessions(options: FormerExpressSessionsOptions): FormerSessions {
  const { store, secret, name = 'connect.sid', userId = () => undefined } = options
  const promised = new PromisedStore(store)
  const secrets = typeof secret === 'string' ? [secret] : secret
  return {
    idsIn: header => findCookies(header, name).flatMap(value => idIn(value, secrets) ?? []),
    async load(id) {
      const session = await promised.get(id).catch(ignoreDamage)
      return session && sessionFrom(session, userId)
    },
    destroy: id => promised.destroy(id),
  }
}

/** Of a cookie's value: `s:<id>.<signature>`, with what cookies can't have encoded. */
function idIn(value: string, secrets: readonly string[]): string | undefined {
  const signed = decoded(value)
  if (!signed.startsWith('s:')) return undefined
  for (const secret of secrets) {
    const id = unsign(signed.slice(2), secret)
    if (id !== false) return id
  }
  return undefined
}

/** What is not JSON any more stays so, and its cookie can't be cleared: it is nobody's. */
function ignoreDamage(error: unknown): null {
  if (error instanceof SyntaxError) return null
  throw error
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return ''
  }
}

function sessionFrom(
  session: Readonly<Record<string, unknown>>,
  userIdOf: (data: Readonly<Record<string, unknown>>) => string | undefined,
): FormerSession | null {
  // As JSON: what a store keeps in memory may have more.
  const { cookie, __lastAccess: _ofFileStore, ...data } = JSON.parse(JSON.stringify(session))
  const { expires, originalMaxAge } = isObject(cookie) ? cookie : {}
  if (typeof expires === 'string' && Date.parse(expires) <= Date.now()) return null
  const maxAge = typeof originalMaxAge === 'number' && originalMaxAge > 0 ? originalMaxAge : undefined
  return { data, userId: userIdOf(data) || undefined, maxAge }
}
