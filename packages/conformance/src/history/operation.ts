/** What a session held as one operation saw it. */
export interface Seen {
  /** The name of the session, as it stood in its data. */
  readonly owner: unknown
  /** Marks of the sets. */
  readonly keys: readonly string[]
  /** Marks of the appends, in their order. */
  readonly list: readonly string[]
  /** Is counted up by each append, in the same step. */
  readonly count: unknown
}

/** What one process did to one session, and what came of it. */
export interface Operation {
  readonly process: string
  /** The test's name for the session; never its id. */
  readonly session: string
  /** `set` gives a key of its own a value, blindly; `append` is a read-modify-write that adds to a list. */
  readonly kind: 'create' | 'load' | 'set' | 'append' | 'destroy'
  /** What a set or an append leaves in the session; no other operation of the history leaves the same. */
  readonly mark?: string
  /** Milliseconds, by a clock that all processes share. */
  readonly began: number
  /** Absent if its process did not live to see the answer. */
  readonly ended?: number
  /**
   * `done`: acknowledged. `gone`: answered that the session is not there. `refused`: answered that nothing was changed.
   * `unknown`: timed out, failed or never answered; it may have been carried out.
   */
  readonly result: 'done' | 'gone' | 'refused' | 'unknown'
  /** Of a load, or an append, that is done. */
  readonly seen?: Seen
  /** What was thrown instead of an answer. */
  readonly error?: string
}

type Data = Record<string, unknown>

/** The data of a new session of a history. */
export function historyData(session: string): Data {
  return { owner: session, list: [], count: 0 }
}

/** The key that a set of this mark sets. */
export function keyOf(mark: string): string {
  return `key:${mark}`
}

/** What an append does to the data: two keys that belong together change in one step. */
export function append(data: Data, mark: string): void {
  data.list = [...listOf(data), mark]
  data.count = Number(data.count) + 1
}

export function seenIn(data: Readonly<Data>): Seen {
  const keys = Object.keys(data).flatMap(key =>
    key.startsWith(keyOf('')) ? [key.slice(keyOf('').length)] : [],
  )
  return { owner: data.owner, keys, list: listOf(data).map(String), count: data.count }
}

function listOf({ list }: Readonly<Data>): unknown[] {
  return Array.isArray(list) ? list : []
}
