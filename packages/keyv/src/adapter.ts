import type { Applied, TextChange } from './record-text.ts'

/** What Sojourn needs of a Keyv storage adapter. Every `KeyvStoreAdapter` fits, and a `Keyv` instance does too. */
export interface KeyvAdapter {
  /** `undefined`, or `null`, if there is nothing. */
  get(key: string): Promise<unknown> | unknown
  /** @param ttl milliseconds */
  set(key: string, value: string, ttl?: number): Promise<unknown> | unknown
  delete(key: string): Promise<unknown> | unknown
  disconnect?(): Promise<unknown> | unknown
  on?(event: 'error', listener: (error: unknown) => void): unknown
  /**
   * Keyv itself and some adapters have it, and without it turn an outage into "no session" and a failed write into a
   * success: a store sets it.
   */
  throwOnErrors?: boolean
}

/** An adapter with the two steps that plain Keyv lacks, each atomic for all processes that use the storage. */
export interface AtomicAdapter extends KeyvAdapter {
  /** False, and nothing written, if there is something under the key already. */
  createIfAbsent(key: string, text: string, expiresAt: number): Promise<boolean>
  applyChange(key: string, change: TextChange): Promise<Applied>
}

export function isAtomic(adapter: KeyvAdapter): adapter is AtomicAdapter {
  return 'applyChange' in adapter && 'createIfAbsent' in adapter
}
