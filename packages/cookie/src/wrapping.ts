import type { webcrypto } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'

const { subtle } = crypto

/** Makes a token of a text, in characters that a cookie may have, and the text of a token. */
export interface Wrapping {
  wrap(text: string): Promise<string>
  /** `null` if the token is none of this wrapping's. Any string is harmless. */
  unwrap(token: string): Promise<string | null>
}

/** Readable by whoever has the cookie; core's signature is what keeps it from being changed. */
export const readable: Wrapping = {
  async wrap(text) {
    return Buffer.from(text).toString('base64url')
  },
  async unwrap(token) {
    const bytes = Buffer.from(token, 'base64url')
    // Node's decoder skips what is not base64url: one text must have one token only.
    return bytes.toString('base64url') === token ? bytes.toString() : null
  },
}

const header = { alg: 'dir', enc: 'A256GCM' }
/** No key is wrapped, so the second part is empty. Node's decoder would skip what is not base64url. */
const compact = /^[\w-]+\.\.[\w-]+\.[\w-]+\.[\w-]+$/
const accepted = { keyManagementAlgorithms: [header.alg], contentEncryptionAlgorithms: [header.enc] }

/**
 * Encrypted: a compact JWE (RFC 7516) under a key that is used as it is. The first key seals and all open, one after
 * the other: a key's name in the header would cost bytes, and core has verified the token's signature before.
 */
export function sealed(keys: readonly Uint8Array[]): Wrapping {
  // Imported once: jose would do so at each call.
  const imported = keys.map(key => subtle.importKey('raw', key, 'AES-GCM', false, ['encrypt', 'decrypt']))
  const [current] = imported
  if (current === undefined) throw new TypeError('sealing needs a key')
  return {
    wrap: async text =>
      new CompactEncrypt(Buffer.from(text)).setProtectedHeader(header).encrypt(await current),
    async unwrap(token) {
      if (!compact.test(token)) return null
      for (const key of imported) {
        const opened = await open(token, await key)
        if (opened !== null) return opened
      }
      return null
    },
  }
}

async function open(token: string, key: webcrypto.CryptoKey): Promise<string | null> {
  try {
    const { plaintext } = await compactDecrypt(token, key, accepted)
    return Buffer.from(plaintext).toString()
  } catch {
    // No medium can be down here: whatever is wrong, it is wrong with the token.
    return null
  }
}
