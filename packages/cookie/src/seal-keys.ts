import type { Environment } from '@sojourn/core'
import { givenSecrets, Keyring, weaknessOf, weakSecret } from '@sojourn/core/store-kit'

export interface SealOptions {
  /** First seals, all open. Default: `SECRET_KEY`, then the comma-separated `SECRET_KEY_FALLBACKS`. */
  readonly secret?: string | readonly string[]
  /** As in `openSessions`. Default `session:`. */
  readonly keyPrefix?: string
  /** As in `openSessions`. Default `__Host-sid`. */
  readonly cookieName?: string
}

/**
 * The keys that core derives for sealing, from the same secret, prefix and cookie name: so a store that was made by hand
 * opens what a selected one sealed.
 *
 * @throws SessionError ERR_SESSION_SECRET if there is no secret, or a weak one in production
 */
export function sealKeys(options: SealOptions, env: Environment): Uint8Array[] {
  const { keyPrefix = 'session:', cookieName = '__Host-sid' } = options
  const secrets = givenSecrets(options, env)
  const weakness = weaknessOf(secrets)
  if (weakness !== null && (secrets.length === 0 || env.NODE_ENV === 'production')) {
    throw weakSecret(`A sealed cookie store needs a secret, SECRET_KEY or its own. ${weakness}`)
  }
  return new Keyring(secrets).derive('seal', keyPrefix, cookieName)
}
