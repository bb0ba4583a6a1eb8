import { hkdfSync } from 'node:crypto'
import type { Environment } from '@sojourn/core'
import { SessionError } from '@sojourn/core/store-kit'

export interface SealOptions {
  /** First seals, all open. Default: `SECRET_KEY`, then the comma-separated `SECRET_KEY_FALLBACKS`. */
  readonly secret?: string | readonly string[]
  /** As in `openSessions`. Default `session:`. */
  readonly keyPrefix?: string
  /** As in `openSessions`. Default `__Host-sid`. */
  readonly cookieName?: string
}

const leastBytes = 32

/**
 * The keys that core derives for sealing (HKDF-SHA256, RFC 5869), from the same secret, prefix and cookie name: so a
 * store that was made by hand opens what a selected one sealed.
 *
 * @throws SessionError ERR_SESSION_SECRET if there is no secret, or a short one in production
 */
export function sealKeys(options: SealOptions, env: Environment): Uint8Array[] {
  const { keyPrefix = 'session:', cookieName = '__Host-sid' } = options
  const secrets = secretsOf(options, env)
  if (secrets.length === 0) throw bad('There is no secret to seal session cookies with.')
  if (env.NODE_ENV === 'production' && secrets.some(secret => Buffer.byteLength(secret) < leastBytes)) {
    throw bad(`A secret that seals session cookies is shorter than ${leastBytes} bytes.`)
  }
  const purpose = `sojourn:1:seal:${keyPrefix}:${cookieName}`
  return secrets.map(secret => new Uint8Array(hkdfSync('sha256', secret, new Uint8Array(), purpose, 32)))
}

/** Without a first one there is none: what is to be rotated out must not begin to seal. */
function secretsOf({ secret }: SealOptions, env: Environment): string[] {
  const fromEnv = () => [env.SECRET_KEY ?? '', ...(env.SECRET_KEY_FALLBACKS ?? '').split(',')]
  const given = secret === undefined ? fromEnv().map(text => text.trim()) : [secret].flat()
  return given[0] ? given.filter(text => text !== '') : []
}

function bad(what: string): SessionError {
  return new SessionError(
    'ERR_SESSION_SECRET',
    `${what} Make one with: node -e "console.log(require('node:crypto').randomBytes(32).toString('base64url'))" and set it as SECRET_KEY, or give cookieStore a secret.`,
  )
}
