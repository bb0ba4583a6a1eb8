import { stat, statfs } from 'node:fs/promises'
import type {
  Conflict,
  CreateOptions,
  Eviction,
  Gone,
  Logger,
  SessionChange,
  SessionRecord,
  SessionStore,
  StoreAbilities,
  StoreContext,
  StoreHealth,
  UserIndex,
  UserSession,
  Written,
} from '@sojourn/core'
import {
  isId,
  isSessionError,
  longestTimer,
  projectFolder,
  quote,
  unavailable,
} from '@sojourn/core/store-kit'
import { encodeRecord, KeyvStore, userIn } from '@sojourn/keyv'
import { Cleanup, type CleanupOptions } from './cleanup.ts'
import { KeyvCacache } from './keyv-cacache.ts'
import { mediumOf } from './medium.ts'
import { moveIn, othersIn, timeIn } from './tenants.ts'
import { UserFolders } from './user-folders.ts'

export interface FilesystemStoreOptions {
  /** Default: one folder per project and user in `/dev/shm`, or else in the folder for temporary files. */
  readonly directory?: string | undefined
  /** Most sessions before live ones are ended, those expiring soonest first. Default 1000; 0 is no limit. */
  readonly threshold?: number
  /** An acknowledged write survives a power failure too, at the price of waiting for the disk. Default false. */
  readonly durable?: boolean
  /** Longest wait, in milliseconds, for another process that writes the same session. Default 2000. */
  readonly lockTimeout?: number
  /** Milliseconds between two looks for expired sessions. Default 5 minutes. */
  readonly cleanupInterval?: number
  /** Before each id in a key. Default `session:`. */
  readonly keyPrefix?: string
  /** Default: `console`. */
  readonly logger?: Logger
}

/** Free space below which a disk endangers sessions. */
const scarce = 0.02

/**
 * Sessions in a folder of a local disk, or of memory (tmpfs), for all processes of one machine. Not for network file
 * systems: their locks differ.
 */
export function filesystemStore(options: FilesystemStoreOptions = {}): SessionStore & Eviction & UserIndex {
  return new FilesystemStore(options)
}

/** For selection: opens the folder at once, so that one that can't be used fails the start. */
export async function openStore({ settings, logger }: StoreContext): Promise<SessionStore> {
  const { directory, threshold, keyPrefix, storeTimeout } = settings
  const store = new FilesystemStore({ directory, threshold, keyPrefix, lockTimeout: storeTimeout, logger })
  await store.open()
  await moveIn(store.directory)
  return store
}

class FilesystemStore extends KeyvStore implements Eviction, UserIndex {
  override readonly supports: StoreAbilities = {
    sharedAcrossProcesses: true,
    revocation: true,
    atomicUpdate: true,
    userIndex: true,
    eviction: true,
    namedSessions: true,
  }
  readonly #adapter: KeyvCacache
  readonly #threshold: number
  readonly #cleanupOptions: CleanupOptions
  /** Undefined until the folder is open; before, no session was loaded, so none can be held. */
  #cleanup: Cleanup | undefined
  #users: UserFolders | undefined
  #closing: Promise<void> | undefined

  constructor(options: FilesystemStoreOptions) {
    const { durable = false, lockTimeout = 2000, keyPrefix = 'session:' } = options
    const directory = options.directory ?? projectFolder()
    // Once it is open: before, no session can come or go.
    const observer = {
      appeared: () => this.#cleanup?.countCreated(),
      vanished: () => this.#cleanup?.countDestroyed(),
    }
    const adapter = new KeyvCacache({ directory, durable, lockTimeout }, observer)
    super(adapter, { name: 'filesystem', keyPrefix })
    const { threshold = 1000, cleanupInterval = 5 * 60_000, logger = console } = options
    this.#adapter = adapter
    this.#threshold = threshold
    this.#cleanupOptions = {
      threshold,
      logger,
      interval: Math.min(cleanupInterval, longestTimer),
      sweep: async turns => this.#users?.sweep(turns),
    }
  }

  get directory(): string {
    return this.#adapter.opts.directory
  }

  /** @throws SessionError ERR_SESSION_DIRECTORY with the command that mends it */
  async open(): Promise<Cleanup> {
    const folder = await this.#adapter.open()
    if (this.#closing) throw unavailable(new Error('the store is closed'))
    this.#cleanup ??= new Cleanup(folder, this.#cleanupOptions)
    this.#users ??= new UserFolders(folder, this.#adapter.opts, {
      keyOf: name => this.keyOf(name),
      isLive: async token => (await this.load(token).catch(unlessDamaged)) !== null,
      end: token => this.#adapter.delete(this.keyOf(token)),
    })
    return this.#cleanup
  }

  override async createAs(
    token: string,
    record: SessionRecord,
    options: CreateOptions = {},
  ): Promise<Written | null> {
    await this.open()
    const { userId, expiresAt } = record
    if (userId === undefined || this.#users === undefined) return super.createAs(token, record)
    const text = encodeRecord(record, 1)
    return this.#users.signIn(userId, token, options, async () => {
      const created = await this.#adapter.createIfAbsent(this.keyOf(token), text, expiresAt)
      return created ? { status: 'written', token, version: '1' } : null
    })
  }

  override async update(token: string, change: SessionChange): Promise<Written | Gone | Conflict> {
    await this.open()
    return super.update(token, change)
  }

  override async destroy(token: string): Promise<void> {
    await this.open()
    const text = isId(token) ? await this.#adapter.take(this.keyOf(token)) : undefined
    const userId = text === undefined ? undefined : userIn(text)
    if (userId !== undefined) await this.#users?.remove(userId, token)
  }

  async *listByUser(userId: string): AsyncGenerator<UserSession, void> {
    await this.open()
    const gone: string[] = []
    for await (const tokens of this.#users?.pages(userId) ?? []) {
      const loaded = await Promise.all(tokens.map(token => this.load(token).catch(unlessDamaged)))
      for (const [at, token] of tokens.entries()) {
        if (loaded[at] === null) gone.push(token)
        const record = loaded[at]?.record
        if (record !== undefined) yield { token, record }
      }
    }
    await this.#users?.drop(userId, gone)
  }

  async destroyByUser(
    userId: string,
    { except = [] }: { readonly except?: readonly string[] } = {},
  ): Promise<number> {
    await this.open()
    return this.#users?.endAll(userId, except) ?? 0
  }

  hold(token: string): void {
    this.#cleanup?.hold(this.keyOf(token))
  }

  release(token: string): void {
    this.#cleanup?.release(this.keyOf(token))
  }

  override async health(): Promise<StoreHealth> {
    const start = performance.now()
    const cleanup = await this.open()
    const { directory } = this
    const [disk, folder, others] = await Promise.all([
      statfs(directory),
      stat(directory),
      othersIn(directory),
    ])
    const { bavail, blocks, ffree, files } = disk
    const latency = performance.now() - start
    const warnings: string[] = []
    if (bavail < blocks * scarce)
      warnings.push(
        'the disk is almost full, so new sessions will be refused: free some, or set SESSION_DIR to another disk',
      )
    if (ffree < files * scarce)
      warnings.push(
        'the disk is almost out of inodes, so new sessions will be refused: remove files, or set SESSION_DIR to another disk',
      )
    if (this.#threshold > 0 && cleanup.count >= this.#threshold) {
      warnings.push(
        'the threshold is reached, so live sessions are being ended: set SESSION_FILE_THRESHOLD to twice what the busiest hour has',
      )
    }
    const medium = mediumOf(disk.type)
    if (medium.startsWith('network'))
      warnings.push(
        'a network file system keeps no locks as this store needs them: set SESSION_DIR to a local disk',
      )
    if (others.length > 0) {
      warnings.push(
        `other applications keep sessions here too, and all count against one threshold (those that no longer do: rm ${others.map(quote).join(' ')}): give each a SESSION_DIR of its own`,
      )
    }
    const time = await timeIn(directory)
    const details = {
      medium,
      owner: `uid ${folder.uid}`,
      mode: (folder.mode & 0o777).toString(8).padStart(4, '0'),
      freeSpace: `${Math.floor((bavail * disk.bsize) / 2 ** 20)} MB of ${Math.floor((blocks * disk.bsize) / 2 ** 20)} MB`,
      freeInodes: files === 0 ? 'no limit' : `${ffree} of ${files}`,
      sessions: cleanup.count,
      threshold: this.#threshold,
      locks: 'the kernel ends them with their process, so that none goes stale',
      ...(time !== undefined && { clockDifference: Math.round(time - Date.now()) }),
    }
    return { store: this.name, reachable: true, latency, warnings, location: `in ${directory}`, details }
  }

  override close(): Promise<void> {
    this.#closing ??= super.close().then(() => this.#cleanup?.close())
    return this.#closing
  }
}

/** One that can't be read is there: it is not listed, and can be ended. */
function unlessDamaged(error: unknown): undefined {
  if (!isSessionError(error) || error.code !== 'ERR_SESSION_CORRUPT') throw error
}
