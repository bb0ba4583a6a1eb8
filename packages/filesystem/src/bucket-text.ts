import { createHash } from 'node:crypto'
import { corrupt } from '@sojourn/keyv'

/** What a bucket holds: a value of Keyv, with the end of its life. */
export interface Entry {
  readonly value: string
  /** Epoch ms; `null` for a value that stays. */
  readonly expiresAt: number | null
}

/** A line as cacache writes it, with what differs from line to line taken out. */
const form = '#\t{"key":"","integrity":"","time":#,"size":#,"metadata":{"value":"","expiresAt":#}}'

/**
 * The newest entry in a bucket's text: its last line, or the one before what a killed process or a full disk left of a
 * write. cacache itself would take the last good line, whatever became of those after it: a flipped bit in an acknowledged
 * change would undo that in silence.
 *
 * @param isOwn whether a key is the one that the bucket is for
 * @throws SessionError ERR_SESSION_CORRUPT if that can't be read, or is another key's
 */
export function newestEntry(text: string, isOwn: (key: string) => boolean): Entry {
  const lines = text.split('\n')
  for (let line = lines.pop(); line !== undefined; line = lines.pop()) {
    const written = withoutZeros(line)
    const entry = entryIn(written, isOwn)
    if (entry !== undefined) return entry
    if (!isTorn(written)) break
  }
  throw corrupt()
}

/** After a power failure a file may be longer than what of it has reached the disk. */
function withoutZeros(line: string): string {
  let end = line.length
  while (line[end - 1] === '\0') end--
  return line.slice(0, end)
}

function entryIn(line: string, isOwn: (key: string) => boolean): Entry | undefined {
  const tab = line.indexOf('\t')
  const json = line.slice(tab + 1)
  if (createHash('sha1').update(json).digest('hex') !== line.slice(0, tab)) return undefined
  const { key, metadata } = JSON.parse(json)
  if (!isOwn(key) || !isEntry(metadata)) throw corrupt()
  return metadata
}

/** Whether it is the beginning of a line, and not the whole. */
function isTorn(line: string): boolean {
  const shape = shapeOf(line)
  return form.startsWith(shape) && shape !== form
}

/** The line without what differs from line to line: see `form`. */
function shapeOf(line: string): string {
  const value = /:("|[\d.]+|null|nu?l?$)/g
  let shape = line.slice(0, 40).replace(/^[0-9a-f]+/, '#')
  let at = Math.min(40, line.length)
  for (let found = value.exec(line); found !== null; found = value.exec(line)) {
    shape += line.slice(at, found.index)
    at = value.lastIndex
    if (found[1] !== '"') shape += ':#'
    else {
      const end = endOfString(line, at)
      shape += end === -1 ? ':"' : ':""'
      at = end === -1 ? line.length : end + 1
    }
    value.lastIndex = at
  }
  return shape + line.slice(at)
}

/** Where the quote is that ends the JSON string which begins at `from`; -1 if there is none. */
function endOfString(line: string, from: number): number {
  for (let quote = line.indexOf('"', from); quote !== -1; quote = line.indexOf('"', quote + 1)) {
    let before = quote
    while (before > from && line[before - 1] === '\\') before--
    if ((quote - before) % 2 === 0) return quote
  }
  return -1
}

export function isEntry(metadata: unknown): metadata is Entry {
  return (
    typeof metadata === 'object' &&
    metadata !== null &&
    'value' in metadata &&
    typeof metadata.value === 'string' &&
    'expiresAt' in metadata &&
    (metadata.expiresAt === null || typeof metadata.expiresAt === 'number')
  )
}
