import { Batches, unavailable } from '@sojourn/core/store-kit'
import type { AtomicAdapter, KeyvAdapter } from './adapter.ts'
import { type Applied, corrupt, RecordEditor, type TextChange } from './record-text.ts'

type Job =
  | { readonly kind: 'change'; readonly change: TextChange }
  | { readonly kind: 'create'; readonly text: string; readonly expiresAt: number }
  | { readonly kind: 'delete' }

/** Gives a plain Keyv adapter the atomic steps, but for one process only: another one may write in between. */
export class EmulatedAdapter implements AtomicAdapter {
  readonly #adapter: KeyvAdapter
  readonly #batches = new Batches<Job, Applied>((key, jobs) => this.#apply(key, jobs))

  constructor(adapter: KeyvAdapter) {
    this.#adapter = adapter
    // Whoever calls is told by a rejection; as an event that nobody listens to, an outage would end the process.
    adapter.on?.('error', () => undefined)
  }

  async get(key: string): Promise<string | undefined> {
    const value = (await this.#adapter.get(key)) ?? undefined
    if (value !== undefined && typeof value !== 'string') throw corrupt()
    return value
  }

  async set(key: string, value: string, ttl?: number): Promise<void> {
    const done = await this.#adapter.set(key, value, ttl)
    // Keyv swallows a failed write and answers false.
    if (done === false) throw unavailable(new Error('the Keyv adapter could not write'))
  }

  async delete(key: string): Promise<void> {
    await this.#batches.run(key, { kind: 'delete' })
  }

  async disconnect(): Promise<void> {
    await this.#adapter.disconnect?.()
  }

  async createIfAbsent(key: string, text: string, expiresAt: number): Promise<boolean> {
    return (await this.#batches.run(key, { kind: 'create', text, expiresAt })).status === 'written'
  }

  async applyChange(key: string, change: TextChange): Promise<Applied> {
    return this.#batches.run(key, { kind: 'change', change })
  }

  /** One after the other; one that fails is no reason for the others to. */
  async #apply(key: string, jobs: readonly Job[]): Promise<Promise<Applied>[]> {
    const results: Promise<Applied>[] = []
    for (const job of jobs) {
      const result = this.#do(key, job)
      results.push(result)
      await result.catch(() => undefined)
    }
    return results
  }

  #do(key: string, job: Job): Promise<Applied> {
    if (job.kind === 'delete') return this.#delete(key)
    return job.kind === 'change' ? this.#change(key, job.change) : this.#create(key, job)
  }

  async #create(key: string, job: { text: string; expiresAt: number }): Promise<Applied> {
    const text = await this.get(key)
    if (text !== undefined) return { status: 'conflict', text }
    await this.set(key, job.text, lifeUntil(job.expiresAt, Date.now()))
    return { status: 'written', version: 1 }
  }

  async #delete(key: string): Promise<Applied> {
    await this.#adapter.delete(key)
    return { status: 'gone' }
  }

  async #change(key: string, change: TextChange): Promise<Applied> {
    const now = Date.now()
    const editor = new RecordEditor((await this.get(key)) ?? null, now)
    const applied = editor.apply(change)
    if (!editor.changed) return applied
    const { result } = editor
    if (result === null) await this.#adapter.delete(key)
    else await this.set(key, result.value, lifeUntil(result.expiresAt, now))
    return applied
  }
}

/** Milliseconds; to Keyv, none at all is for ever. */
function lifeUntil(expiresAt: number, now: number): number {
  return Math.max(1, Math.ceil(expiresAt - now))
}
