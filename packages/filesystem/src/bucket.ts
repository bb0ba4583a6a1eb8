import { randomBytes } from 'node:crypto'
import { lstatSync, rmSync, type Stats, statSync, utimesSync } from 'node:fs'
import { open, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ignoring, openPrivateFolder, unavailable } from '@sojourn/core/store-kit'
import cacache from 'cacache'
import { hashOf, pathOf, removeIfEmpty, strayFolder } from './bucket-files.ts'
import { type Entry, newestEntry } from './bucket-text.ts'
import { EntryCopies, type Reading } from './entry-copies.ts'

/** Of no content: cacache takes an entry without an integrity for a deleted one. */
const emptyIntegrity =
  'sha512-z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg=='
/** A bucket is rewritten when it is so many bytes longer than four times its newest entry. */
const compactAfter = 4096
/** As a file's time, for a value that stays: later than any session. */
const never = new Date('2100-01-01T00:00:00Z')

/**
 * cacache's index, written as documented (`index.insert`, `index.compact`): each key has a file of its own, its bucket;
 * a write appends a line with a checksum, the last one counts. Writers must hold the key's lock; readers need none.
 *
 * The bucket's modification time is the entry's expiry, so that a cleanup need not read what it does not remove.
 */
export class Buckets {
  readonly #folder: string
  readonly #durable: boolean
  readonly #copies = new EntryCopies()

  constructor(folder: string, durable: boolean) {
    this.#folder = folder
    this.#durable = durable
  }

  /**
   * `null` if there is none. A copy needs no look at the folder: its file is the one that was read from it.
   *
   * @throws SessionError ERR_SESSION_CORRUPT if there is one that can't be read, ERR_SESSION_DIRECTORY
   */
  async read(key: string): Promise<Entry | null> {
    const path = pathOf(this.#folder, hashOf(key))
    const copy = this.#copies.of(path)
    if (copy !== undefined) return copy
    for (let before: Stats | undefined; ; ) {
      const reading = await this.#readingOf(path)
      if (reading === undefined || reading.text === '') return null
      try {
        const entry = newestEntry(reading.text, own => own === key)
        this.#copies.keep(path, entry, reading)
        return entry
      } catch (error) {
        const now = await stat(path).catch(ignoreMissing)
        if (now === undefined) return null
        // It may have been written meanwhile: it is damaged only if it is still the same.
        if (before?.ino === now.ino && before.size === now.size && before.ctimeMs === now.ctimeMs) throw error
        before = now
      }
    }
  }

  /** Before, so that nothing of somebody else's is opened; after, because the folder may have been his by then. */
  async #readingOf(path: string): Promise<Reading | undefined> {
    openPrivateFolder(this.#folder)
    const reading = await this.#copies.read(path)
    openPrivateFolder(this.#folder)
    return reading
  }

  /** @throws SessionError ERR_SESSION_DIRECTORY, or ERR_SESSION_STORE_UNAVAILABLE with nothing written */
  async write(key: string, entry: Entry): Promise<void> {
    const path = pathOf(this.#folder, hashOf(key))
    const inode = openPrivateFolder(this.#folder)
    await this.#write(path, key, entry)
    const now = lstatSync(this.#folder, { throwIfNoEntry: false })?.ino
    if (now === inode) return
    this.#undo(path)
    throw unavailable(new Error('the session folder was removed meanwhile'))
  }

  /** cacache makes the folder again where it is gone, open to others, so it must be empty to be closed to them. */
  #undo(path: string): void {
    rmSync(path, { force: true })
    for (let at = dirname(path); at.length > this.#folder.length; at = dirname(at)) removeIfEmpty(at)
    removeIfEmpty(strayFolder(this.#folder))
  }

  async #write(path: string, key: string, entry: Entry): Promise<void> {
    for (let attempt = 0; !(await this.#insert(key, entry)); attempt++) {
      // A cleanup removed the empty folder between cacache's mkdir and its append: nothing was written yet.
      if (attempt === 3) throw unavailable(new Error('the session folder is read-only, or is being removed'))
    }
    if (statSync(path).size > 4 * entry.value.length + compactAfter) await this.#compact(path, key, entry)
    const expiry = entry.expiresAt === null ? never : new Date(entry.expiresAt)
    utimesSync(path, expiry, expiry)
    if (this.#durable) await syncUpTo(this.#folder, path)
  }

  /** Of the key with this hash. As `rm.entry(..., { removeFully: true })` does it: a tombstone could be torn, and the entry be back. */
  async remove(hash: string): Promise<void> {
    const path = pathOf(this.#folder, hash)
    openPrivateFolder(this.#folder)
    await rm(path, { force: true })
    if (this.#durable) await syncPath(dirname(path)).catch(ignoreMissing)
  }

  async #insert(key: string, entry: Entry): Promise<boolean> {
    const inserted = await cacache.index.insert(this.#folder, key, emptyIntegrity, {
      metadata: entry,
      size: 0,
    })
    return inserted !== undefined
  }

  /** The entry stands already, so a failure is none: on a full disk the next write tries again. */
  async #compact(path: string, key: string, entry: Entry): Promise<void> {
    try {
      if (this.#durable) await this.#replace(path, key, entry)
      else await cacache.index.compact(this.#folder, key, (a, b) => a.key === b.key)
    } catch {}
  }

  /** As `compact`, which renames a file that is not on the disk yet: after a power failure it could be empty. */
  async #replace(path: string, key: string, entry: Entry): Promise<void> {
    const draft = join(strayFolder(this.#folder), `bucket-${randomBytes(8).toString('hex')}`)
    await cacache.index.insert(draft, key, emptyIntegrity, { metadata: entry, size: 0 })
    const file = pathOf(draft, hashOf(key))
    await syncPath(file)
    await rename(file, path)
    await rm(draft, { recursive: true, force: true })
  }
}

/** The file, and every folder up to ours: any of them may be new. */
export async function syncUpTo(folder: string, path: string): Promise<void> {
  for (let at = path; at.length >= folder.length; at = dirname(at)) await syncPath(at)
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const ignoreMissing = ignoring('ENOENT')
