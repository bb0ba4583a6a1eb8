import type { SessionStore, StoreAbilities } from '@sojourn/core'

/** What a test may need of a store; read from `supports`. */
export type Ability = keyof StoreAbilities

/** A test as the runner calls it. It names no parameter: Mocha and Jest would wait for a callback. */
export type TestBody = (this: unknown, ...context: unknown[]) => Promise<void>

/** The two functions that Vitest, node:test, Mocha, Jest and their like have in common. */
export interface Runner {
  readonly describe: (name: string, body: () => void) => unknown
  readonly it: (name: string, body: TestBody) => unknown
}

/**
 * Opens a handle on the store under test. Every test calls it anew and closes what it got.
 *
 * If the store `supports.sharedAcrossProcesses`, a test calls it twice, and both handles must lead to the same
 * medium and share no memory: that is how two processes look to a store. What older tests left there is no
 * trouble, but counts: a run has up to 400 sessions at a time, and a store's limit must be above that.
 */
export type OpenHandle = () => SessionStore | Promise<SessionStore>

/** The handles of one test. Without a shared medium `other` is the same store as `store`. */
export interface Handles {
  readonly store: SessionStore
  readonly other: SessionStore
}

/** One promise of the contract, and how to find out whether a store keeps it. */
export interface Check {
  /** The test's name. C and I numbers are those of Sojourn's consistency contract. */
  readonly promise: string
  /** Without these the promise does not apply, and the test is skipped. */
  readonly needs?: readonly Ability[]
  readonly run: (handles: Handles) => Promise<void>
}

/** Tells the runner that a test does not apply. A runner that knows no skipping, such as Jest, counts a pass. */
export function skip(self: unknown, context: unknown, reason: string): void {
  for (const place of [context, self]) {
    if (canSkip(place)) {
      place.skip(reason)
      return
    }
  }
}

/** Vitest's context (a function), node:test's (an object), and Mocha's `this`. */
function canSkip(place: unknown): place is { skip(reason: string): void } {
  const holds = (typeof place === 'object' && place !== null) || typeof place === 'function'
  return holds && 'skip' in place && typeof place.skip === 'function'
}
