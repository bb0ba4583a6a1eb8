import { findCookies } from './cookies.ts'
import { type FormerSessions, tokenFor } from './former-sessions.ts'
import type { Signer, Verified } from './keys.ts'
import type { Settings } from './settings.ts'

/** Nobody has more cookies of one name than that by accident, and each costs a load. */
const mostTokens = 4

/** A token that the browser sent, or has from before. */
export interface SentToken extends Verified {
  /** The id that it had with another library. */
  readonly formerId?: string
}

interface Receiver {
  readonly settings: Settings
  readonly signer: Signer
  readonly former: FormerSessions | undefined
}

/** Two cookies of one name may come in any order; sorted, they give the same answer in every order. */
export function sentTokens(
  { settings, signer, former }: Receiver,
  cookieHeader: string | undefined,
): SentToken[] {
  const verified = new Map<string, Verified>()
  for (const value of findCookies(cookieHeader, settings.cookie.name)) {
    const found = signer.verify(value)
    // Of one that was sent with two signatures, the current one counts.
    if (found && (!found.rotated || !verified.has(found.token))) verified.set(found.token, found)
  }
  const tokens = [...verified.values()]
  if (tokens.length === 0 && former && cookieHeader !== undefined) {
    const ids = former.idsIn(cookieHeader).slice(0, mostTokens)
    return ids.map(formerId => ({ token: tokenFor(formerId), rotated: false, formerId }))
  }
  if (tokens.length < 2) return tokens
  return tokens.sort((a, b) => (a.token < b.token ? -1 : 1)).slice(0, mostTokens)
}
