import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, rmdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { ignoring, openPrivateFolder } from '@sojourn/core/store-kit'

export interface BucketFile {
  readonly hash: string
  /** When it seems to expire, in epoch ms. */
  readonly expiresAt: number
}

/** Milliseconds that a cleanup may keep the process from its requests at a time. */
const longestTurn = 5

/** How cacache names a key's bucket. */
export function hashOf(key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

/** Where cacache keeps the bucket of the key with this hash. */
export function pathOf(folder: string, hash: string): string {
  return join(indexOf(folder), hash.slice(0, 2), hash.slice(2, 4), hash.slice(4))
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
  readonly #folder: string

  constructor(folder: string) {
    this.#folder = folder
  }

  /** All of them, without reading them. */
  async list(turns: Turns): Promise<BucketFile[]> {
    const found: BucketFile[] = []
    for (const prefix of this.#prefixes()) {
      for (const name of namesIn(join(indexOf(this.#folder), ...prefix))) {
        const hash = prefix.join('') + name
        const expiresAt = this.expiryOf(hash)
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

  /** By what is in it: `null` for a value that stays, `undefined` if it can't be read. */
  expiryInside(hash: string): number | null | undefined {
    const lines = readFileSync(pathOf(this.#folder, hash), 'utf8').split('\n')
    for (const line of lines.reverse()) {
      const expiresAt = expiryIn(line.slice(line.indexOf('\t') + 1))
      if (expiresAt !== undefined) return expiresAt
    }
    return undefined
  }

  remove(hash: string): void {
    rmSync(pathOf(this.#folder, hash), { force: true })
  }

  /** Removes what killed processes left half-written. @param before epoch ms; what is younger may be at work */
  async removeStrays(before: number, turns: Turns): Promise<void> {
    for (const name of namesIn(strayFolder(this.#folder))) {
      const path = join(strayFolder(this.#folder), name)
      openPrivateFolder(this.#folder)
      const changed = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? before
      if (changed < before) rmSync(path, { recursive: true, force: true })
      await turns.pause()
    }
  }

  /** Removes folders that removed buckets left empty, so that they don't use up a small disk's inodes. */
  async prune(turns: Turns): Promise<void> {
    for (const [first, second] of this.#prefixes()) {
      removeIfEmpty(join(indexOf(this.#folder), first, second))
      await turns.pause()
    }
    for (const first of namesIn(indexOf(this.#folder))) removeIfEmpty(join(indexOf(this.#folder), first))
  }

  *#prefixes(): Generator<[first: string, second: string]> {
    for (const first of namesIn(indexOf(this.#folder))) {
      for (const second of namesIn(join(indexOf(this.#folder), first))) yield [first, second]
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
  return join(folder, 'index-v5')
}

function expiryIn(json: string): number | null | undefined {
  try {
    const expiresAt: unknown = JSON.parse(json).metadata.expiresAt
    return typeof expiresAt === 'number' || expiresAt === null ? expiresAt : undefined
  } catch {
    return undefined
  }
}

function namesIn(folder: string): string[] {
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
