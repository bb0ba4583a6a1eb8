import { EventEmitter } from 'node:events'
import { resolve } from 'node:path'
import {
  Batches,
  isSessionError,
  openPrivateFolder,
  rejected,
  unavailable,
  unwritable,
} from '@sojourn/core/store-kit'
import { type Applied, type AtomicAdapter, RecordEditor, type TextChange } from '@sojourn/keyv'
import cacache from 'cacache'
import { Buckets } from './bucket.ts'
import { hashOf } from './bucket-files.ts'
import { type Entry, isEntry } from './bucket-text.ts'
import { FolderLocks } from './locks.ts'

export interface KeyvCacacheOptions {
  /** The folder; it is made, or must be this user's and closed to others (mode 0700). */
  readonly directory: string
  /** Wait for the disk at each write (fsync), so that an acknowledged write survives a power failure too. */
  readonly durable?: boolean
  /** Longest wait, in milliseconds, for another process that writes the same key. */
  readonly lockTimeout?: number
}

/** One step on a key. */
type Job =
  | { readonly kind: 'change'; readonly change: TextChange }
  | { readonly kind: 'set' | 'create'; readonly entry: Entry }
  | { readonly kind: 'delete' }

type Outcome =
  | Applied
  | { readonly status: 'exists' }
  | { readonly status: 'deleted'; readonly value: string | undefined }

/** Is told, under the key's lock, when a key's file comes and goes. */
export interface FileObserver {
  appeared(): void
  vanished(): void
}

/** What an open folder consists of. */
export interface Folder {
  readonly path: string
  readonly buckets: Buckets
  readonly locks: FolderLocks
}

/**
 * A Keyv storage adapter on a local folder that many processes share: `new Keyv({ store: new KeyvCacache({ directory }) })`.
 *
 * Each key has a lock across processes; what waits for it in one process is written together. A write is
 * acknowledged when the kernel has it, so it survives `kill -9`; with `durable`, when the disk has it.
 */
export class KeyvCacache extends EventEmitter implements AtomicAdapter {
  /** Keyv asks an adapter with an iterator for `dialect` and `url`. */
  readonly opts: Required<KeyvCacacheOptions> & { readonly dialect: string; readonly url: string }
  namespace?: string | undefined
  readonly #batches = new Batches<Job, Outcome>((key, jobs) => this.#runLocked(key, jobs))
  readonly #observer: FileObserver | undefined
  #folder: Promise<Folder> | undefined
  #closed = false

  constructor(options: KeyvCacacheOptions, observer?: FileObserver) {
    super()
    this.#observer = observer
    this.opts = {
      durable: false,
      lockTimeout: 2000,
      ...options,
      dialect: 'cacache',
      url: `cacache:${options.directory}`,
    }
  }

  /**
   * Opens the folder; the other methods do so when they are first used.
   *
   * @throws SessionError ERR_SESSION_DIRECTORY with the command that mends it, ERR_SESSION_STORE_UNAVAILABLE once it is
   * closed
   */
  open(): Promise<Folder> {
    if (this.#closed) return rejected(unavailable(new Error('the store is closed')))
    this.#folder ??= openFolder(this.opts).catch((error: unknown) => {
      this.#folder = undefined
      throw error
    })
    return this.#folder
  }

  async get<Value = string>(key: string): Promise<Value | undefined> {
    const { buckets } = await this.open()
    return live(await buckets.read(key))?.value as Value | undefined
  }

  async has(key: string): Promise<boolean> {
    return (await this.get(key)) !== undefined
  }

  async set(key: string, value: string, ttl?: number): Promise<true> {
    await this.#batches.run(key, { kind: 'set', entry: { value, expiresAt: ttl ? Date.now() + ttl : null } })
    return true
  }

  async delete(key: string): Promise<boolean> {
    return (await this.take(key)) !== undefined
  }

  /** Deletes, and answers what was there. */
  async take(key: string): Promise<string | undefined> {
    const outcome = await this.#batches.run(key, { kind: 'delete' })
    return outcome.status === 'deleted' ? outcome.value : undefined
  }

  async createIfAbsent(key: string, text: string, expiresAt: number): Promise<boolean> {
    const outcome = await this.#batches.run(key, { kind: 'create', entry: { value: text, expiresAt } })
    return outcome.status === 'written'
  }

  async applyChange(key: string, change: TextChange): Promise<Applied> {
    const outcome = await this.#batches.run(key, { kind: 'change', change })
    if (outcome.status === 'deleted' || outcome.status === 'exists') return { status: 'gone' }
    return outcome
  }

  /** Deletes all keys of the namespace, or all. */
  async clear(): Promise<void> {
    for await (const [key] of this.iterator(this.namespace)) await this.delete(key)
  }

  async *iterator(namespace?: string): AsyncGenerator<[string, string], void> {
    const { path } = await this.open()
    openPrivateFolder(path)
    for await (const { key, metadata } of cacache.ls.stream(
      path,
    ) as unknown as AsyncIterable<cacache.CacheObject>) {
      const entry = isEntry(metadata) ? live(metadata) : null
      if (entry !== null && (!namespace || key.startsWith(`${namespace}:`))) yield [key, entry.value]
    }
  }

  /** Waits for what is under way, and closes the folder for good. */
  async disconnect(): Promise<void> {
    this.#closed = true
    await this.#batches.idle()
    await this.#folder?.then(
      ({ locks }) => locks.close(),
      () => undefined,
    )
  }

  async #runLocked(key: string, jobs: readonly Job[]): Promise<(Outcome | Promise<Outcome>)[]> {
    const { buckets, locks } = await this.open()
    const hash = hashOf(key)
    await locks.acquire(hash, this.opts.lockTimeout)
    try {
      return await this.#runJobs(buckets, key, jobs)
    } finally {
      locks.release('write', hash)
    }
  }

  /** Runs all jobs on what stands under the key, and writes the result once. The caller holds the key's lock. */
  async #runJobs(
    buckets: Buckets,
    key: string,
    jobs: readonly Job[],
  ): Promise<(Outcome | Promise<Outcome>)[]> {
    const found = await buckets.read(key).catch(damagedOrThrow)
    const stack = new JobStack(found instanceof Damaged ? null : live(found))
    const outcomes = jobs.map(job => {
      // A damaged entry can be deleted and replaced, but not changed.
      const unfit = found instanceof Damaged && (job.kind === 'change' || job.kind === 'create')
      return unfit ? rejected<Outcome>(found.error) : stack.run(job)
    })
    const { result, touched } = stack.finish()
    if (result !== null && touched) {
      await buckets.write(key, result)
      if (found === null) this.#observer?.appeared()
    } else if (touched) {
      await buckets.remove(hashOf(key))
      if (found !== null) this.#observer?.vanished()
    }
    return outcomes
  }
}

/** What stands under a key while jobs are applied to it, one on top of the other. */
class JobStack {
  #entry: Entry | null
  #editor: RecordEditor | undefined
  #touched = false

  constructor(entry: Entry | null) {
    this.#entry = entry
  }

  run(job: Job): Outcome {
    if (job.kind === 'change') {
      // One for all changes in a row: the text is taken apart and put together once.
      this.#editor ??= new RecordEditor(this.#entry?.value ?? null, Date.now())
      return this.#editor.apply(job.change)
    }
    this.#endEditing()
    const found = this.#entry
    if (job.kind === 'create' && found !== null) return { status: 'exists' }
    this.#touched = true
    this.#entry = job.kind === 'delete' ? null : job.entry
    return job.kind === 'delete'
      ? { status: 'deleted', value: found?.value }
      : { status: 'written', version: 1 }
  }

  /** What stands now, `null` for nothing, and whether any job has anything to do with that. */
  finish(): { readonly result: Entry | null; readonly touched: boolean } {
    this.#endEditing()
    return { result: this.#entry, touched: this.#touched }
  }

  #endEditing(): void {
    if (this.#editor?.changed) {
      this.#entry = this.#editor.result
      this.#touched = true
    }
    this.#editor = undefined
  }
}

/** Stands for an entry that can't be read. */
class Damaged {
  readonly error: unknown

  constructor(error: unknown) {
    this.error = error
  }
}

function damagedOrThrow(error: unknown): Damaged {
  if (isSessionError(error) && error.code === 'ERR_SESSION_CORRUPT') return new Damaged(error)
  throw error
}

function live(entry: Entry | null): Entry | null {
  return entry !== null && (entry.expiresAt === null || entry.expiresAt > Date.now()) ? entry : null
}

async function openFolder({ directory, durable }: Required<KeyvCacacheOptions>): Promise<Folder> {
  const path = resolve(directory)
  openPrivateFolder(path)
  try {
    return { path, buckets: new Buckets(path, durable), locks: new FolderLocks(path) }
  } catch (cause) {
    throw unwritable(path, cause)
  }
}
