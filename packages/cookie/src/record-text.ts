import { randomBytes } from 'node:crypto'
import type { SessionRecord } from '@sojourn/core'
import { assertJson } from '@sojourn/core/store-kit'

/** The first item of every text; another one would be another layout. */
const layout = 1

/**
 * A record as compact JSON: an array, because the names of its parts would cost bytes in every cookie.
 *
 * ```
 * [1,"nonce",createdAt,expiresAt,userId or null,{data}]
 * ```
 *
 * The nonce makes each write another text, so that equal data never give a token, and a version, twice.
 *
 * @throws SessionError ERR_SESSION_VALUE if the data are not what JSON can hold
 */
export function encodeRecord({ data, userId, createdAt, expiresAt }: SessionRecord): string {
  assertJson(data, 'data')
  const nonce = randomBytes(9).toString('base64url')
  return JSON.stringify([layout, nonce, createdAt, expiresAt, userId ?? null, data])
}

/** The record of a text, or `null` if it is anything else. */
export function decodeRecord(text: string): SessionRecord | null {
  const parsed = parse(text)
  if (!Array.isArray(parsed) || parsed.length !== 6 || parsed[0] !== layout) return null
  const [, , createdAt, expiresAt, userId, data]: unknown[] = parsed
  if (typeof createdAt !== 'number' || typeof expiresAt !== 'number' || !isObject(data)) return null
  if (userId === null) return { data, createdAt, expiresAt }
  return typeof userId === 'string' ? { data, userId, createdAt, expiresAt } : null
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
