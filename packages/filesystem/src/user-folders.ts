import { statSync } from 'node:fs'
import { appendFile, mkdir, opendir, readFile, rm, rmdir, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { CreateOptions } from '@sojourn/core'
import { Batches, gone, ignoring, tooManySessions } from '@sojourn/core/store-kit'
import { corrupt } from '@sojourn/keyv'
import { syncUpTo } from './bucket.ts'
import { hashOf, namesIn, pathOf, type Turns } from './bucket-files.ts'
import type { Folder } from './keyv-cacache.ts'

/** The sessions of whose index this is. */
export interface IndexedSessions {
  /** The key of a session's token, or of anything else. */
  keyOf(name: string): string
  isLive(token: string): Promise<boolean>
  /** Whether there was one. */
  end(token: string): Promise<boolean>
}

interface Entry {
  readonly token: string
  /** Counts the sign-ins of the user. */
  readonly place: number
}

/** Has one byte for each sign-in of the user. */
const counter = 'sign-ins'
/** Its time is when all sessions of the user were ended. */
const endOfAll = 'ended'
/** Milliseconds for which that is remembered: longer than any request takes. */
const remembered = 60_000
const atOnce = 50

/**
 * Which sessions are whose: a folder for each user, with a file for each session, named by the hash of its key, that holds
 * its token. See docs/decisions/0030.
 *
 * A sign-in holds the user's lock from its file to its session, so under the lock a file without a session is of one that
 * is gone.
 */
export class UserFolders {
  readonly #folder: Folder
  readonly #durable: boolean
  readonly #sessions: IndexedSessions
  readonly #turns: Batches<() => Promise<unknown>, unknown>

  constructor(folder: Folder, options: { durable: boolean; lockTimeout: number }, sessions: IndexedSessions) {
    this.#folder = folder
    this.#durable = options.durable
    this.#sessions = sessions
    this.#turns = new Batches((hash, jobs) => this.#runInTurn(hash, jobs, options.lockTimeout))
  }

  /**
   * Signs a user in: the entry, then the session.
   *
   * @throws SessionError ERR_SESSION_LIMIT, ERR_SESSION_GONE
   */
  async signIn<T>(
    userId: string,
    token: string,
    options: CreateOptions,
    create: () => Promise<T>,
  ): Promise<T> {
    const { replaces } = options
    const own = replaces?.userId === userId ? replaces.token : undefined
    if (replaces !== undefined && own === undefined) await this.remove(replaces.userId, replaces.token)
    return this.#locked(userId, async path => {
      await mkdir(path, { recursive: true, mode: 0o700 })
      await appendFile(join(path, counter), '.', { mode: 0o600 })
      const { size, mtimeMs: now } = await stat(join(path, counter))
      const replaced = own === undefined ? undefined : await this.#read(this.#pathOf(path, own))
      if (replaced === undefined) {
        if (own !== undefined && now - (await endedAt(path)) < remembered) throw gone()
        await this.#makeRoom(path, options)
      }
      const file = this.#pathOf(path, token)
      try {
        await writeFile(file, `${token} ${replaced?.place ?? size}`, { mode: 0o600 })
        if (this.#durable) await syncUpTo(this.#folder.path, file)
        const created = await create()
        if (own !== undefined) await rm(this.#pathOf(path, own), { force: true })
        return created
      } catch (error) {
        // What stands for nothing is dropped by the next cleanup, if not now.
        if (!(await this.#sessions.isLive(token).catch(() => true))) await this.remove(userId, token)
        throw error
      }
    })
  }

  /** Of a session that has ended; on a disk that can't be written, a cleanup does so later. */
  async remove(userId: string, token: string): Promise<void> {
    await rm(this.#pathOf(this.#folderOf(userId), token), { force: true }).catch(() => undefined)
  }

  /** The tokens of all entries, page by page. */
  async *pages(userId: string): AsyncGenerator<string[], void> {
    const path = this.#folderOf(userId)
    const folder = await opendir(path).catch(ignoring('ENOENT'))
    if (folder === undefined) return
    let names: string[] = []
    for await (const { name } of folder) {
      if (isEntry(name)) names.push(name)
      if (names.length < atOnce) continue
      yield await this.#tokens(path, names)
      names = []
    }
    yield await this.#tokens(path, names)
  }

  /** Drops the entries of those of these sessions that are gone indeed. */
  async drop(userId: string, tokens: readonly string[]): Promise<void> {
    if (tokens.length === 0) return
    const dropping = this.#locked(userId, async () => {
      for (const token of tokens) if (!(await this.#sessions.isLive(token))) await this.remove(userId, token)
    })
    await dropping.catch(() => undefined)
  }

  /** Ends all sessions but those named; how many that were. Who signs in meanwhile waits. */
  async endAll(userId: string, except: readonly string[]): Promise<number> {
    return this.#locked(userId, async path => {
      const kept = new Set(except.map(token => hashOf(this.#sessions.keyOf(token))))
      const names = namesIn(path).filter(name => isEntry(name) && !kept.has(name))
      if (names.length === 0) return 0
      await writeFile(join(path, endOfAll), '', { mode: 0o600 })
      let ended = 0
      for (let at = 0; at < names.length; at += atOnce) {
        const some = names.slice(at, at + atOnce)
        const found = await Promise.all(some.map(name => this.#end(join(path, name))))
        ended += found.filter(Boolean).length
      }
      return ended
    })
  }

  /** Drops what has no session, and users who have no entry: for a cleanup. */
  async sweep(turns: Turns): Promise<void> {
    const users = join(this.#folder.path, 'users')
    for (const first of namesIn(users)) {
      for (const rest of namesIn(join(users, first))) {
        const path = join(users, first, rest)
        if (this.#needsSweep(path)) await this.#turns.run(first + rest, () => this.#sweepOne(path))
        await turns.pause()
      }
    }
  }

  #needsSweep(path: string): boolean {
    const entries = namesIn(path).filter(isEntry)
    return entries.length === 0 || entries.some(name => !this.#hasFile(name))
  }

  async #sweepOne(path: string): Promise<void> {
    const entries = namesIn(path).filter(isEntry)
    const dead = entries.filter(name => !this.#hasFile(name))
    for (const name of dead) await rm(join(path, name), { force: true })
    if (dead.length < entries.length || Date.now() - (await endedAt(path)) < remembered) return
    await rm(join(path, counter), { force: true })
    await rm(join(path, endOfAll), { force: true })
    await rmdir(path).catch(ignoring('ENOENT', 'ENOTEMPTY'))
  }

  /** Whether the session of this entry has a file. */
  #hasFile(name: string): boolean {
    return statSync(pathOf(this.#folder.path, name), { throwIfNoEntry: false }) !== undefined
  }

  /** Drops what is gone, and ends the oldest that are too many. */
  async #makeRoom(path: string, { maxPerUser = 0, onMaxPerUser }: CreateOptions): Promise<void> {
    if (maxPerUser === 0) return
    const files = namesIn(path)
      .filter(isEntry)
      .map(name => join(path, name))
    if (files.length < maxPerUser) return
    const living: (Entry & { file: string })[] = []
    for (const file of files) {
      const entry = await this.#read(file)
      if (entry === undefined || !(await this.#sessions.isLive(entry.token))) await rm(file, { force: true })
      else living.push({ ...entry, file })
    }
    const surplus = Math.max(0, living.length + 1 - maxPerUser)
    if (surplus > 0 && onMaxPerUser === 'refuse') throw tooManySessions()
    const oldest = living.sort((a, b) => a.place - b.place).slice(0, surplus)
    for (const { file } of oldest) await this.#end(file)
  }

  /** Ends the session of an entry, and then the entry; whether there was one. */
  async #end(file: string): Promise<boolean> {
    const entry = await this.#read(file)
    const existed = entry !== undefined && (await this.#sessions.end(entry.token))
    await rm(file, { force: true })
    return existed
  }

  async #tokens(path: string, names: readonly string[]): Promise<string[]> {
    const entries = await Promise.all(names.map(name => this.#read(join(path, name))))
    return entries.flatMap(entry => entry?.token ?? [])
  }

  /**
   * `undefined` if there is none, or what a killed process left of one, whose session never began.
   *
   * @throws SessionError ERR_SESSION_CORRUPT if there is a session, and nobody can say which
   */
  async #read(file: string): Promise<Entry | undefined> {
    const text = await readFile(file, 'utf8').catch(ignoring('ENOENT'))
    const [token = '', place = ''] = text?.split(' ') ?? []
    if (hashOf(this.#sessions.keyOf(token)) === basename(file)) return { token, place: Number(place) }
    if (text !== undefined && this.#hasFile(basename(file))) throw corrupt()
    return undefined
  }

  #locked<T>(userId: string, work: (path: string) => Promise<T>): Promise<T> {
    const path = this.#folderOf(userId)
    return this.#turns.run(this.#hashOf(userId), () => work(path)) as Promise<T>
  }

  /** One after the other, so that another process gets its turn among many. */
  async #runInTurn(
    hash: string,
    jobs: readonly (() => Promise<unknown>)[],
    lockTimeout: number,
  ): Promise<Promise<unknown>[]> {
    const results: Promise<unknown>[] = []
    for (const job of jobs) {
      const result = this.#runLocked(hash, job, lockTimeout)
      results.push(result)
      await result.catch(() => undefined)
    }
    return results
  }

  async #runLocked(hash: string, job: () => Promise<unknown>, lockTimeout: number): Promise<unknown> {
    const { locks } = this.#folder
    await locks.acquire(hash, lockTimeout)
    try {
      return await job()
    } finally {
      locks.release('write', hash)
    }
  }

  #pathOf(userFolder: string, token: string): string {
    return join(userFolder, hashOf(this.#sessions.keyOf(token)))
  }

  #folderOf(userId: string): string {
    const hash = this.#hashOf(userId)
    return join(this.#folder.path, 'users', hash.slice(0, 2), hash.slice(2))
  }

  /** No id has a colon. */
  #hashOf(userId: string): string {
    return hashOf(this.#sessions.keyOf(`user:${userId}`))
  }
}

function isEntry(name: string): boolean {
  return name !== counter && name !== endOfAll
}

/** Epoch ms. */
async function endedAt(path: string): Promise<number> {
  return (await stat(join(path, endOfAll)).catch(ignoring('ENOENT')))?.mtimeMs ?? 0
}
