import { createHash, randomBytes } from 'node:crypto'

/** 256 random bits as 43 characters of base64url: OWASP ASVS 7.2.3 asks for 128. */
export function newId(): string {
  return randomBytes(32).toString('base64url')
}

/** True for what `newId` makes. Anything else can be answered `null` without asking the store. */
export function isId(token: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(token)
}

/** Names a session of a user in a list: 132 bits of a hash, from which nobody gets the token. */
export function handleOf(token: string): string {
  return createHash('sha256').update(token).digest('base64url').slice(0, 22)
}
