import { readFileSync, type Stats, statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
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

  /** The text of the file at this path; empty if there is none. */
  async read(path: string): Promise<string> {
    try {
      return this.#copies.has(path) ? readFileSync(path, 'utf8') : await readFile(path, 'utf8')
    } catch (error) {
      return ignoring('ENOENT')(error) ?? ''
    }
  }

  /**
   * Keeps what was just read, unless it may have changed since, or might change without a trace.
   *
   * @param began epoch ms, before the reading
   */
  keep(path: string, entry: Entry, began: number): void {
    const stats = statSync(path, { throwIfNoEntry: false })
    if (stats === undefined || stats.ctimeMs > began - tick) return
    this.#copies.set(path, { entry, inode: stats.ino, size: stats.size, changed: stats.ctimeMs })
  }
}

function isSame({ inode, size, changed }: Copy, stats: Stats): boolean {
  return inode === stats.ino && size === stats.size && changed === stats.ctimeMs
}
