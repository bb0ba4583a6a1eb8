import type { SessionOptions } from '@sojourn/core'
import { expect } from 'vitest'
import { FaultyStore } from './faulty-store.ts'

/** Where the sessions of a site are kept. */
export interface Medium {
  /** What `openSessions` needs to keep them there. */
  readonly keep: SessionOptions
  /** The names of what is stored there now, such as keys or files; none if browsers have it all. */
  stored(): Promise<readonly string[]>
  /** What counts, counts anew from now on. */
  begin?(): void
  /** The site is about to close. */
  end?(): Promise<void> | void
}

/** The memory of this process, where chosen calls are slow, fail or never answer. */
export interface FaultyMedium extends Medium {
  readonly store: FaultyStore
  /** Acknowledged store calls, and what else the test adds, in the order in which it happened. */
  readonly events: string[]
}

export function faultyMedium(): FaultyMedium {
  const events: string[] = []
  const store = new FaultyStore(call => events.push(call))
  return {
    store,
    events,
    keep: { store },
    stored: () => store.stored(),
    begin() {
      store.calls.length = 0
      events.length = 0
    },
    async end() {
      // A client has its answer a moment before the server has seen it leave.
      await expect.poll(() => store.held, { message: 'sessions that are still held' }).toEqual([])
    },
  }
}
