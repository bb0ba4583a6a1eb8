import { hash } from 'node:crypto'
import { readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { ignoring, openPrivateFolder } from '@sojourn/core/store-kit'
import { LRUCache } from 'lru-cache'
import { newestEntry } from './bucket-text.ts'

export interface BucketFile {
  readonly hash: string
  /** When it seems to expire, in epoch ms. */
  readonly expiresAt: number
}

/** Milliseconds that a cleanup may keep the process from its requests at a time. */
const longestTurn = 5

/** A request asks three times, and who browses comes again. */
const hashes = new LRUCache<string, string>({ maxSize: 400_000, sizeCalculation: (_, key) => key.length })

/** How cacache names a key's bucket. */
export function hashOf(key: string): string {
  const known = hashes.get(key)
  if (known !== undefined) return known
  const made = hash('sha256', key)
  hashes.set(key, made)
  return made
}

/** Where cacache keeps the bucket of the key with this hash. Not by `join`, which looks at every character. */
export function pathOf(folder: string, hash: string): string {
  return `${indexOf(folder)}${sep}${hash.slice(0, 2)}${sep}${hash.slice(2, 4)}${sep}${hash.slice(4)}`
}

/** Where cacache, and we, write what is to become a bucket; what a killed process left there is nobody's. */
export function strayFolder(folder: string): string {
  return join(folder, 'tmp')
}

/**
 * The buckets of a folder as files, for a cleanup. These calls are synchronous because each is some microseconds,
 * and a tenth of what it costs through the thread pool; `Turns` keeps many of them from adding up.
 */
export class BucketFiles {
  /** The paths of what could not be looked at, read or removed, and why. */
  readonly failures: Map<string, unknown> = new Map()
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** All of them, without reading them. */
  async list(turns: Turns): Promise<BucketFile[]> {
    const found: BucketFile[] = []
    for (const prefix of this.#prefixes()) {
      for (const name of this.#namesIn(join(indexOf(this.#folder), ...prefix))) {
        const hash = prefix.join('') + name
        const expiresAt = this.attempt(hash, () => this.expiryOf(hash), Infinity)
        if (expiresAt !== undefined) found.push({ hash, expiresAt })
      }
      await turns.pause()
    }
    return found
  }

  /** By the file's time, in epoch ms; `undefined` if there is no such file. */
  expiryOf(hash: string): number | undefined {
    return statSync(pathOf(this.#folder, hash), { throwIfNoEntry: false })?.mtimeMs
  }

  /** By what a load would find in it: `null` for a value that stays, `undefined` for nothing, or what is damaged. */
  expiryInside(hash: string): number | null | undefined {
    const text = readFileSync(pathOf(this.#folder, hash), 'utf8')
    try {
      return newestEntry(text, key => hashOf(key) === hash).expiresAt
    } catch (error) {
      return ignoring('ERR_SESSION_CORRUPT')(error)
    }
  }

  /** What can't be done with one bucket is noted, and no reason to leave the others. */
  attempt<T>(hash: string, work: () => T, otherwise: T): T {
    return this.#attempt(pathOf(this.#folder, hash), work, otherwise)
  }

  #attempt<T>(path: string, work: () => T, otherwise: T): T {
    try {
      return work()
    } catch (error) {
      this.failures.set(path, error)
      return otherwise
    }
  }

  remove(hash: string): void {
    rmSync(pathOf(this.#folder, hash), { force: true })
  }

  /** Removes what killed processes left half-written. @param before epoch ms; what is younger may be at work */
  async removeStrays(before: number, turns: Turns): Promise<void> {
    for (const name of this.#namesIn(strayFolder(this.#folder))) {
      const path = join(strayFolder(this.#folder), name)
      openPrivateFolder(this.#folder)
      this.#attempt(path, () => removeIfOlder(path, before), undefined)
      await turns.pause()
    }
  }

  /** Removes folders that removed buckets left empty, so that they don't use up a small disk's inodes. */
  async prune(turns: Turns): Promise<void> {
    for (const [first, second] of this.#prefixes()) {
      this.#removeIfEmpty(join(indexOf(this.#folder), first, second))
      await turns.pause()
    }
    for (const first of this.#namesIn(indexOf(this.#folder)))
      this.#removeIfEmpty(join(indexOf(this.#folder), first))
  }

  #removeIfEmpty(folder: string): void {
    this.#attempt(folder, () => removeIfEmpty(folder), undefined)
  }

  #namesIn(folder: string): string[] {
    return this.#attempt(folder, () => namesIn(folder), [])
  }

  *#prefixes(): Generator<[first: string, second: string]> {
    for (const first of this.#namesIn(indexOf(this.#folder))) {
      for (const second of this.#namesIn(join(indexOf(this.#folder), first))) yield [first, second]
    }
  }
}

/** Divides long work into turns, so that the requests of the process get theirs. */
export class Turns {
  #began = performance.now()

  async pause(): Promise<void> {
    if (performance.now() - this.#began < longestTurn) return
    await setImmediate()
    this.#began = performance.now()
  }
}

function indexOf(folder: string): string {
  return `${folder}${sep}index-v5`
}

function removeIfOlder(path: string, before: number): void {
  const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before
  if (changed < before) rmSync(path, { recursive: true, force: true })
}

/** None if it is not there. */
export function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    return ignoring('ENOENT', 'ENOTDIR')(error) ?? []
  }
}

export function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder)
  } catch (error) {
    ignoring('ENOTEMPTY', 'EEXIST', 'ENOENT')(error)
  }
}
