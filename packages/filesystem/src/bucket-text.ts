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
 * @throws SessionError ERR_SESSION_CORRUPT if that can't be read, or is another key's
 */
export function newestEntry(text: string, key: string): Entry {
  const lines = text.split('\n')
  let line = lines.pop()
  while (line !== undefined && isTorn(line)) line = lines.pop()
  const entry = line === undefined ? undefined : entryIn(line, key)
  if (entry === undefined) throw corrupt()
  return entry
}

/** Whether it is the beginning of a line, and not the whole. */
function isTorn(line: string): boolean {
  const shape = line
    .replace(/^[0-9a-f]{1,40}/, '#')
    .replace(/:(?:"(?:[^"\\]|\\.)*("|\\?$)|[\d.]+|null|nu?l?$)/g, (found, quote?: string) =>
      found[1] === '"' ? `:"${quote === '"' ? '"' : ''}` : ':#',
    )
  return form.startsWith(shape) && shape !== form
}

function entryIn(line: string, key: string): Entry | undefined {
  const tab = line.indexOf('\t')
  const json = line.slice(tab + 1)
  if (createHash('sha1').update(json).digest('hex') !== line.slice(0, tab)) return undefined
  const { key: own, metadata } = JSON.parse(json)
  return own === key && isEntry(metadata) ? metadata : undefined
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
