import type { Loaded, SessionChange, SessionRecord } from '@sojourn/core'
import { assertJson, SessionError } from '@sojourn/core/store-kit'

/**
 * How a session is written in a Keyv store: JSON whose first line is the record and in which each key of the data
 * has a line of its own, so that a merge can move values about as text and never has to decode them.
 *
 * ```
 * {"v":3,"created":1764000000000,"expires":1764086400000,"user":"ada","data":{
 * "theme":"dark",
 * "cart":[{"id":7}]
 * }}
 * ```
 *
 * JSON text never contains a raw line break, so a line break always ends a line. The names of the first line are short
 * because every session of a store has them.
 */
export interface RecordHead {
  readonly version: number
  readonly createdAt: number
  readonly expiresAt: number
  readonly userId?: string
  readonly metadata?: NonNullable<SessionRecord['metadata']>
}

/** A change whose keys and values are JSON text. */
export interface TextChange {
  /** Pairs of key and value. */
  readonly set: readonly (readonly [key: string, value: string])[]
  readonly remove: readonly string[]
  /** Pairs of key and the value that it must have; `null` if it must be absent. */
  readonly expectedValues: readonly (readonly [key: string, value: string | null])[]
  readonly expectedVersion?: number
  readonly expiresAt?: number
}

/** What a change did; `text` is what stands instead. */
export type Applied =
  | { readonly status: 'written'; readonly version: number }
  | { readonly status: 'gone' }
  | { readonly status: 'conflict'; readonly text: string }

/** @throws SessionError ERR_SESSION_VALUE if the data are not what JSON can hold */
export function encodeRecord({ data, ...rest }: SessionRecord, version: number): string {
  assertJson(data, 'data')
  if (rest.metadata !== undefined) assertJson(rest.metadata, 'metadata')
  return join(
    { ...rest, version },
    new Map(Object.entries(data).map(([key, value]) => [JSON.stringify(key), JSON.stringify(value)])),
  )
}

/** @throws SessionError ERR_SESSION_CORRUPT if the text is not a record */
export function decodeRecord(text: string): Loaded {
  const parsed = parse(text)
  if (!isFirstLine(parsed) || !isObject(parsed.data)) throw corrupt()
  const { version, ...head } = headFrom(parsed)
  return { record: { ...head, data: parsed.data }, version: String(version) }
}

/** Whose session it is, by the first line of its text; `undefined` for nobody's, and for a text that can't be read. */
export function userIn(text: string): string | undefined {
  const head = parse(`${text.split('\n', 1)[0]}}}`)
  return isFirstLine(head) ? head.user : undefined
}

/** @throws SessionError ERR_SESSION_VALUE if a value is not what JSON can hold */
export function encodeChange(change: SessionChange): TextChange {
  const { set = {}, remove = [], expectedValues = {}, expectedVersion, expiresAt } = change
  for (const key of Object.keys(set)) assertJson(set[key], key)
  return {
    set: Object.keys(set).map(key => [JSON.stringify(key), JSON.stringify(set[key])]),
    remove: remove.map(key => JSON.stringify(key)),
    expectedValues: Object.keys(expectedValues).map(key => [
      JSON.stringify(key),
      expectedValues[key] === undefined ? null : JSON.stringify(expectedValues[key]),
    ]),
    ...(expectedVersion !== undefined && { expectedVersion: Number(expectedVersion) }),
    ...(expiresAt !== undefined && { expiresAt }),
  }
}

/** A stored text while changes are applied to it, one after the other. */
export class RecordEditor {
  readonly #now: number
  readonly #values: Map<string, string>
  #head: RecordHead | null
  #changed = false

  /**
   * @param text `null` for a session that is not there
   * @param now epoch ms
   * @throws SessionError ERR_SESSION_CORRUPT if the text is not a record
   */
  constructor(text: string | null, now: number) {
    const { head, values } = text === null ? { head: null, values: new Map() } : split(text)
    this.#now = now
    this.#values = values
    this.#head = head !== null && head.expiresAt > now ? head : null
  }

  apply(change: TextChange): Applied {
    const head = this.#head
    if (head === null) return { status: 'gone' }
    if (!guardsHold(head, this.#values, change)) return { status: 'conflict', text: join(head, this.#values) }
    for (const key of change.remove) this.#values.delete(key)
    for (const [key, value] of change.set) this.#values.set(key, value)
    const version = head.version + 1
    const expiresAt = change.expiresAt ?? head.expiresAt
    this.#head = expiresAt > this.#now ? { ...head, version, expiresAt } : null
    this.#changed = true
    return { status: 'written', version }
  }

  /** Whether anything was applied, so that `result` is to be stored. */
  get changed(): boolean {
    return this.#changed
  }

  /** What stands now; `null` if the session is not there or has ended. */
  get result(): { readonly value: string; readonly expiresAt: number } | null {
    return this.#head && { value: join(this.#head, this.#values), expiresAt: this.#head.expiresAt }
  }
}

function guardsHold(head: RecordHead, values: ReadonlyMap<string, string>, change: TextChange): boolean {
  if (change.expectedVersion !== undefined && change.expectedVersion !== head.version) return false
  return change.expectedValues.every(([key, value]) => (values.get(key) ?? null) === value)
}

function join(head: RecordHead, values: ReadonlyMap<string, string>): string {
  const { version, createdAt, expiresAt, userId, metadata } = head
  const first: FirstLine = {
    v: version,
    created: createdAt,
    expires: expiresAt,
    user: userId,
    noted: metadata,
  }
  const lines = [...values].map(([key, value]) => `${key}:${value}`)
  return `${JSON.stringify(first).slice(0, -1)},"data":{\n${lines.join(',\n')}\n}}`
}

function split(text: string): { head: RecordHead; values: Map<string, string> } {
  const [first = '', ...lines] = text.split('\n')
  const head = parse(`${first}}}`)
  if (!isFirstLine(head) || lines.pop() !== '}}') throw corrupt()
  const values = new Map<string, string>()
  for (const line of lines) {
    if (line === '') continue
    const end = endOfKey(line)
    values.set(line.slice(0, end), line.slice(end + 1, line.endsWith(',') ? -1 : undefined))
  }
  return { head: headFrom(head), values }
}

/** Where the JSON string at the beginning of the line ends: the first quote that no backslash escapes. */
function endOfKey(line: string): number {
  let at = 1
  while (at < line.length && line[at] !== '"') at += line[at] === '\\' ? 2 : 1
  if (line[0] !== '"' || line[at + 1] !== ':') throw corrupt()
  return at + 1
}

/** A head as it is written. */
interface FirstLine {
  readonly v: number
  readonly created: number
  readonly expires: number
  readonly user: string | undefined
  readonly noted?: SessionRecord['metadata']
}

function headFrom({
  v: version,
  created: createdAt,
  expires: expiresAt,
  user: userId,
  noted: metadata,
}: FirstLine): RecordHead {
  return {
    version,
    createdAt,
    expiresAt,
    ...(userId !== undefined && { userId }),
    ...(metadata !== undefined && { metadata }),
  }
}

function isFirstLine(value: unknown): value is FirstLine & Record<string, unknown> {
  return (
    isObject(value) &&
    Number.isInteger(value.v) &&
    typeof value.created === 'number' &&
    typeof value.expires === 'number' &&
    (value.user === undefined || typeof value.user === 'string') &&
    (value.noted === undefined || isObject(value.noted))
  )
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

export function corrupt(): SessionError {
  return new SessionError(
    'ERR_SESSION_CORRUPT',
    'What the store holds for this session is damaged: something else wrote to it, or the disk did not keep what it was given. Its cookie is taken back, so that the visitor can sign in anew.',
  )
}
