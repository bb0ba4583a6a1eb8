import { processors } from './processors.ts'

/** What this process may use: a container's limits count, not what the host has. */
export interface Capacity {
  readonly processors: number
  /** Bytes that are free to be used. */
  readonly memory: number
}

export interface Count {
  readonly count: number
  /** For the line at start, such as `one per processor`. */
  readonly reason: string
}

const megabyte = 2 ** 20
/** Of an Express application with sessions under load, and something for its data: docs/benchmarks/workers.md. */
export const usualMemory = { cluster: 160, threads: 80 } as const

export function capacity(): Capacity {
  return { processors: processors(), memory: process.availableMemory() }
}

/**
 * One per processor, as far as memory goes, and at least one: more only share the processors. A worker that waits, for a
 * database say, serves others meanwhile.
 *
 * @param each memory that one needs, in megabytes
 */
export function automatic({ processors, memory }: Capacity, each: number): Count {
  return limited({ count: processors, reason: 'one per processor' }, memory, each)
}

/** 2 x processors + 1, Gunicorn's formula: for applications that block their processes. */
export function doubled({ processors, memory }: Capacity, each: number): Count {
  return limited({ count: 2 * processors + 1, reason: '2 x processors + 1' }, memory, each)
}

function limited({ count, reason }: Count, memory: number, each: number): Count {
  const fitting = Math.max(1, Math.floor(memory / (each * megabyte)))
  if (fitting >= count) return { count, reason }
  return {
    count: fitting,
    reason: `as many as fit into ${Math.floor(memory / megabyte)} MB with ${each} MB each`,
  }
}
