import { Batches, unavailable } from '@sojourn/core/store-kit'
import type { AtomicAdapter, KeyvAdapter } from './adapter.ts'
import { type Applied, corrupt, RecordEditor, type TextChange } from './record-text.ts'

type Job = { readonly kind: 'change'; readonly change: TextChange } | { readonly kind: 'delete' }

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
    if ((await this.get(key)) !== undefined) return false
    await this.set(key, text, lifeUntil(expiresAt, Date.now()))
    return true
  }

  async applyChange(key: string, change: TextChange): Promise<Applied> {
    return this.#batches.run(key, { kind: 'change', change })
  }

  /** One after the other; one that fails is no reason for the others to. */
  async #apply(key: string, jobs: readonly Job[]): Promise<Promise<Applied>[]> {
    const results: Promise<Applied>[] = []
    for (const job of jobs) {
      const result = job.kind === 'delete' ? this.#delete(key) : this.#change(key, job.change)
      results.push(result)
      await result.catch(() => undefined)
    }
    return results
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
