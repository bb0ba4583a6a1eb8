import { findCookies } from './cookies.ts'
import type { Signer, Verified } from './keys.ts'
import type { Settings } from './settings.ts'

/** Nobody has more cookies of one name than that by accident, and each costs a load. */
export const mostTokens = 4

interface Receiver {
  readonly settings: Settings
  readonly signer: Signer
}

/** Two cookies of one name may come in any order; sorted, they give the same answer in every order. */
export function sentTokens({ settings, signer }: Receiver, cookieHeader: string | undefined): Verified[] {
  const values = findCookies(cookieHeader, settings.cookie.name)
  if (values.length === 0) return []
  const verified = new Map<string, Verified>()
  for (const value of values) {
    const found = signer.verify(value)
    // Of one that was sent with two signatures, the current one counts.
    if (found && (!found.rotated || !verified.has(found.token))) verified.set(found.token, found)
  }
  const tokens = [...verified.values()]
  if (tokens.length < 2) return tokens
  return tokens.sort((a, b) => (a.token < b.token ? -1 : 1)).slice(0, mostTokens)
}
