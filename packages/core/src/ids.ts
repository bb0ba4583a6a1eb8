import { randomBytes } from 'node:crypto'

/** 256 random bits as 43 characters of base64url: OWASP ASVS 7.2.3 asks for 128. */
export function newId(): string {
  return randomBytes(32).toString('base64url')
}

/** True for what `newId` makes. Anything else can be answered `null` without asking the store. */
export function isId(token: string): boolean {
  return /^[A-Za-z0-9_-]{43}$/.test(token)
}
