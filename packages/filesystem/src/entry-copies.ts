import { readFileSync, type Stats, statSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { ignoring } from '@sojourn/core/store-kit'
import { LRUCache } from 'lru-cache'
import type { Entry } from './bucket-text.ts'

/** Of a file, what changes with every write to it. */
interface Copy {
  readonly entry: Entry
  readonly inode: number
  readonly size: number
  /** Epoch ms. */
  readonly changed: number
}

/** The text of a file, and what the file was before it was read. */
export interface Reading {
  readonly before: Stats
  readonly text: string
}

/** Longer than the tick of a kernel's clock for files, in milliseconds: before Linux 6.13, two writes within one have the same time. */
const tick = 50
/** UTF-16 units of all values together. */
const mostText = 4 * 1024 * 1024

/**
 * Entries that this process has read, each good for as long as its file is the same. What was read or written lately is in
 * the kernel's memory, so to look at it is not worth a thread of the pool, which costs many times more: see
 * docs/decisions/0012.
 */
export class EntryCopies {
  readonly #copies = new LRUCache<string, Copy>({
    maxSize: mostText,
    sizeCalculation: ({ entry }, path) => entry.value.length + path.length,
  })

  /** What the file at this path holds, if this process knows. */
  of(path: string): Entry | undefined {
    const copy = this.#copies.get(path)
    if (copy === undefined) return undefined
    const stats = statSync(path, { throwIfNoEntry: false })
    return stats && isSame(copy, stats) ? copy.entry : undefined
  }

  /** The file at this path; `undefined` if there is none. */
  async read(path: string): Promise<Reading | undefined> {
    try {
      if (!this.#copies.has(path)) return await readInPool(path)
      return { before: statSync(path), text: readFileSync(path, 'utf8') }
    } catch (error) {
      return ignoring('ENOENT')(error)
    }
  }

  /** Keeps what was just read, with what its file was before that, unless the file might yet change without a trace. */
  keep(path: string, entry: Entry, { before }: Reading): void {
    const { ino: inode, size, ctimeMs: changed } = before
    if (changed < Date.now() - tick) this.#copies.set(path, { entry, inode, size, changed })
  }
}

async function readInPool(path: string): Promise<Reading> {
  const file = await open(path)
  try {
    return { before: await file.stat(), text: await file.readFile('utf8') }
  } finally {
    await file.close()
  }
}

function isSame({ inode, size, changed }: Copy, stats: Stats): boolean {
  return inode === stats.ino && size === stats.size && changed === stats.ctimeMs
}
