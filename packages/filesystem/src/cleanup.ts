import { closeSync, fstatSync, ftruncateSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import type { Logger } from '@sojourn/core'
import { openPrivateFolder, unwritable } from '@sojourn/core/store-kit'
import { type BucketFile, BucketFiles, hashOf, Turns } from './bucket-files.ts'
import type { Folder } from './keyv-cacache.ts'
import { FolderLocks } from './locks.ts'

export interface CleanupOptions {
  /** Most sessions that may live in the folder; 0 is no limit. */
  readonly threshold: number
  readonly logger: Logger
  /** Milliseconds between two looks for expired sessions when there is no other reason to look. */
  readonly interval: number
  /** Cleans what there is beside the sessions, once those that expired are gone. */
  readonly sweep: (turns: Turns) => Promise<void>
}

/** When too many live, so many of the threshold stay. */
const keep = 0.9
/** Milliseconds without another look after one that found more than the threshold, all in use, or that failed. */
const restAfterNothing = 1000
/** Milliseconds after which a half-written file is nobody's any more. */
const strayAge = 60_000
/** Bytes of a file that counts, from which on it is begun anew. */
const largestTally = 2 ** 20
/** The one cleanup lock of a folder. */
const theLock = hashOf('cleanup')

/**
 * Keeps a folder of sessions small: expired ones go, and when more live than the threshold, those expiring soonest.
 * One process cleans at a time, off any request's path.
 *
 * How many sessions there are is known without looking: each process appends a byte to the file `created` at each
 * create and to `destroyed` at each destroy, and a cleanup sets them right.
 */
export class Cleanup {
  readonly #folder: Folder
  readonly #options: CleanupOptions
  /** Its own, because the folder's do not exclude the writers and readers of this process. */
  readonly #locks: FolderLocks
  readonly #files: BucketFiles
  readonly #held = new Map<string, { readonly hash: string; uses: number }>()
  #created: number
  #destroyed: number
  readonly #timer: NodeJS.Timeout
  #running: Promise<void> | undefined
  /** Until then, by `performance.now()`, creates begin no cleanup. */
  #restUntil = 0
  #closed = false

  constructor(folder: Folder, options: CleanupOptions) {
    this.#folder = folder
    this.#options = options
    this.#locks = new FolderLocks(folder.path)
    this.#files = new BucketFiles(folder.path)
    this.#created = openTally(folder.path, 'created')
    this.#destroyed = openTally(folder.path, 'destroyed')
    this.#timer = setInterval(() => this.#start(true), options.interval).unref()
  }

  /** A session was created: counts it, and begins a cleanup in the background if that was one too many. */
  countCreated(): void {
    tally(this.#created)
    if (this.#isOver() && performance.now() >= this.#restUntil) this.#start(false)
  }

  countDestroyed(): void {
    tally(this.#destroyed)
  }

  /** A request uses the session: it is not evicted until `release`, by whichever process. */
  hold(key: string): void {
    const held = this.#held.get(key)
    if (held) held.uses++
    else {
      const hash = hashOf(key)
      this.#held.set(key, { hash, uses: 1 })
      this.#markAsUsed(hash)
    }
  }

  /** Where that can't be, the folder is gone: what the request does next says so better. */
  #markAsUsed(hash: string): void {
    try {
      this.#folder.locks.try('use', hash, true)
    } catch {}
  }

  release(key: string): void {
    const held = this.#held.get(key)
    if (held === undefined || --held.uses > 0) return
    this.#held.delete(key)
    this.#folder.locks.release('use', held.hash)
  }

  /** Waits for a cleanup under way. */
  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    await this.#running
    closeSync(this.#created)
    closeSync(this.#destroyed)
    this.#locks.close()
  }

  get count(): number {
    this.#reopenIfRemoved()
    return Math.max(0, this.#difference)
  }

  get #difference(): number {
    return fstatSync(this.#created).size - fstatSync(this.#destroyed).size
  }

  #isOver(): boolean {
    return this.#options.threshold > 0 && this.count > this.#options.threshold
  }

  #start(prune: boolean): void {
    // Not at once: the request that made the new session has yet to say that it uses it.
    this.#running ??= setImmediate()
      .then(() => this.#run(prune))
      .catch((error: unknown) => {
        this.#restUntil = performance.now() + restAfterNothing
        this.#options.logger.error(`Session cleanup failed: ${messageOf(error)}`)
      })
      .finally(() => {
        this.#reportFailures()
        this.#running = undefined
      })
  }

  #reportFailures(): void {
    const { failures } = this.#files
    const [first] = failures
    if (first === undefined) return
    this.#options.logger.error(
      `Session cleanup left files that it can't read or remove: ${failures.size}, first ${first[0]} (${messageOf(first[1])}). Remove them, or make them this user's.`,
    )
    failures.clear()
  }

  async #run(prune: boolean): Promise<void> {
    const turns = new Turns()
    let removed = 1
    // Whoever has the lock does the work; what came until it was released is counted, so it is looked at once more then.
    while (removed > 0 && (prune || this.#isOver())) {
      if (!this.#locks.try('cleanup', theLock)) return
      try {
        removed = await this.#clean(turns)
        if (prune) await this.#prune(turns)
        prune = false
      } finally {
        this.#locks.release('cleanup', theLock)
      }
    }
    if (this.#isOver()) this.#rest()
  }

  /** All that are too many are in use, so creates begin no cleanup for a while. */
  #rest(): void {
    this.#restUntil = performance.now() + restAfterNothing
    setTimeout(() => {
      if (!this.#closed) this.#start(false)
    }, restAfterNothing).unref()
  }

  async #prune(turns: Turns): Promise<void> {
    await this.#files.removeStrays(this.#now() - strayAge, turns)
    await this.#files.prune(turns)
    await this.#options.sweep(turns)
  }

  /** How many sessions it removed. */
  async #clean(turns: Turns): Promise<number> {
    const now = this.#now()
    const countBefore = this.#difference
    const alive: BucketFile[] = []
    const files = await this.#files.list(turns)
    for (const file of files) {
      if (file.expiresAt > now || !this.#removeExpired(file, now)) alive.push(file)
      await turns.pause()
    }
    const evicted = await this.#evict(alive, turns)
    this.#setCount(alive.length - evicted + this.#difference - countBefore)
    if (evicted > 0) {
      this.#options.logger.warn(
        `Session cleanup ended ${evicted} live sessions, those expiring soonest, because more than ${this.#options.threshold} were stored: their users are signed out. Raise SESSION_FILE_THRESHOLD (0 is no limit) if these were not bots.`,
      )
    }
    return files.length - alive.length + evicted
  }

  /** Ends the live sessions over the limit, soonest expiry first, but none that is in use; how many it ended. */
  async #evict(alive: readonly BucketFile[], turns: Turns): Promise<number> {
    const { threshold } = this.#options
    if (threshold === 0 || alive.length <= threshold) return 0
    const surplus = alive.length - Math.floor(threshold * keep)
    let evicted = 0
    for (const file of alive.toSorted((a, b) => a.expiresAt - b.expiresAt)) {
      if (evicted === surplus) break
      if (this.#removeUnused(file)) evicted++
      await turns.pause()
    }
    return evicted
  }

  /** Removes the session if it has really expired: its file's time may be wrong, after a crash. What is damaged has that only. */
  #removeExpired({ hash }: BucketFile, now: number): boolean {
    return this.#locked('write', hash, () => {
      if (this.#files.expiryOf(hash) === undefined) return true
      const expiresAt = this.#files.expiryInside(hash)
      if (expiresAt === null || (expiresAt !== undefined && expiresAt > now)) return false
      this.#files.remove(hash)
      return true
    })
  }

  /** A session that was touched since it was listed is in use, whatever its place in the queue. */
  #removeUnused({ hash, expiresAt }: BucketFile): boolean {
    return this.#locked('write', hash, () => {
      if (this.#files.expiryOf(hash) !== expiresAt) return false
      return this.#locked('use', hash, () => {
        this.#files.remove(hash)
        return true
      })
    })
  }

  /** Does nothing, and answers false, if some request has the session just now; false too if the work fails. */
  #locked(kind: 'write' | 'use', hash: string, work: () => boolean): boolean {
    if (!this.#locks.try(kind, hash)) return false
    try {
      return this.#files.attempt(hash, work, false)
    } finally {
      this.#locks.release(kind, hash)
    }
  }

  /** The file system's clock, not the process's, so that one that is wrong ends nobody's session. */
  #now(): number {
    tally(this.#destroyed)
    tally(this.#created)
    return fstatSync(this.#created).mtimeMs
  }

  /** Whoever removes the folder of a running server must not leave its processes with counts of their own. */
  #reopenIfRemoved(): void {
    if (fstatSync(this.#created).nlink > 0) return
    openPrivateFolder(this.#folder.path)
    // Before the old ones are closed: a number that is closed and kept may soon be another file's.
    const created = openTally(this.#folder.path, 'created')
    const destroyed = openTally(this.#folder.path, 'destroyed')
    closeSync(this.#created)
    closeSync(this.#destroyed)
    this.#created = created
    this.#destroyed = destroyed
  }

  /** By adding to one of the files, so that nothing is lost that another process counts in this moment. */
  #setCount(count: number): void {
    const missing = count - this.#difference
    const file = missing > 0 ? this.#created : this.#destroyed
    if (fstatSync(file).size < largestTally && tally(file, Math.abs(missing))) return
    ftruncateSync(this.#destroyed, 0)
    ftruncateSync(this.#created, Math.max(0, count))
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'unknown'
}

function openTally(folder: string, name: string): number {
  try {
    return openSync(join(folder, name), 'a', 0o600)
  } catch (cause) {
    throw unwritable(folder, cause)
  }
}

/** False on a full disk: the count then falls behind, and the timer makes up for it. */
function tally(fd: number, times = 1): boolean {
  try {
    return writeSync(fd, '.'.repeat(times)) === times
  } catch {
    return false
  }
}
