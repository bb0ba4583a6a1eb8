import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto'
import { sign, unsign } from 'cookie-signature'

/**
 * The secrets of an application, first the one that signs. Nothing is ever signed with a secret itself but with a
 * key derived from it for one purpose (HKDF-SHA256, RFC 5869), so a value made for one purpose is void for another.
 */
export class Keyring {
  readonly #secrets: readonly string[]

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets
  }

  /** One 32-byte key per secret, in the same order, for this purpose of this application alone. */
  derive(purpose: string, keyPrefix: string, cookieName: string): Uint8Array[] {
    return this.#secrets.map(
      secret =>
        new Uint8Array(
          hkdfSync('sha256', secret, new Uint8Array(), `sojourn:1:${purpose}:${keyPrefix}:${cookieName}`, 32),
        ),
    )
  }
}

/** A token whose signature is ours. */
export interface Verified {
  readonly token: string
  /** Signed with a key that has been rotated out: the cookie is to be signed anew. */
  readonly rotated: boolean
}

/** How much longer than its token a signed value is: a dot and 32 bytes in base64 without padding. */
export const signatureLength = 44

/** So many signed values a signer knows again: who browses sends the same one with every request. */
const mostVerified = 2000

/** Signs tokens for one purpose, and verifies them with every key. */
export class Signer {
  readonly #keys: readonly KeyObject[]
  readonly #verified = new Map<string, Verified>()

  constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys.map(key => createSecretKey(key))
  }

  sign(token: string): string {
    const key = this.#keys[0]
    if (key === undefined) throw new TypeError('a signer needs a key')
    return sign(token, key)
  }

  /** `null` if it was not signed with any of the keys. */
  verify(value: string): Verified | null {
    // Much can be sent that is no signed value at all: it costs no signature.
    if (value.at(-signatureLength) !== '.') return null
    const known = this.#verified.get(value)
    if (known !== undefined) return known
    for (const [index, key] of this.#keys.entries()) {
      const token = unsign(value, key)
      if (token !== false) return this.#remember(value, { token, rotated: index > 0 })
    }
    return null
  }

  #remember(value: string, verified: Verified): Verified {
    if (this.#verified.size === mostVerified) this.#verified.clear()
    this.#verified.set(value, verified)
    return verified
  }
}
