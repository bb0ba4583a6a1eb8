import { randomBytes } from 'node:crypto'
import type { Loaded, SessionRecord } from '@sojourn/core'
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
 * The nonce is the version: it makes each write another text, so that equal data never give a token twice.
 *
 * @throws SessionError ERR_SESSION_VALUE if the data are not what JSON can hold
 */
export function encodeRecord({ data, userId, createdAt, expiresAt }: SessionRecord): {
  text: string
  version: string
} {
  assertJson(data, 'data')
  const version = randomBytes(9).toString('base64url')
  return { text: JSON.stringify([layout, version, createdAt, expiresAt, userId ?? null, data]), version }
}

/** The record of a text, or `null` if it is anything else. */
export function decodeRecord(text: string): Loaded | null {
  const parsed = parse(text)
  if (!Array.isArray(parsed) || parsed.length !== 6 || parsed[0] !== layout) return null
  const [, version, createdAt, expiresAt, userId, data]: unknown[] = parsed
  if (typeof version !== 'string' || !isObject(data)) return null
  if (typeof createdAt !== 'number' || typeof expiresAt !== 'number') return null
  if (userId === null) return { record: { data, createdAt, expiresAt }, version }
  return typeof userId === 'string' ? { record: { data, userId, createdAt, expiresAt }, version } : null
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
