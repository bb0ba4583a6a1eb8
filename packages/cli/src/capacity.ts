import { availableMemory } from './memory.ts'
import { processors } from './processors.ts'

/** What this process may use: a container's limits count, not what the host has. */
export interface Capacity {
  readonly processors: number
  /** Bytes that are free to be used. */
  readonly memory: number
}

/** What is reckoned with, in megabytes. */
export interface Need {
  /** Of a worker, or of a thread. */
  readonly each: number
  /** Of all that does not depend on how many there are. */
  readonly beside: number
}

export interface Count {
  readonly count: number
  /** For the line at start, such as `one per processor`. */
  readonly reason: string
}

const megabyte = 2 ** 20
/**
 * Of an Express application with sessions under load, and something for its data: docs/benchmarks/workers.md. Beside
 * them there is the primary and, for threads, the process that has them.
 */
export const usualNeed = { cluster: { each: 160, beside: 80 }, threads: { each: 80, beside: 160 } } as const

export function capacity(): Capacity {
  return { processors: processors(), memory: availableMemory() }
}

/**
 * One per processor, as far as memory goes, and at least one: more only share the processors. A worker that waits, for a
 * database say, serves others meanwhile.
 */
export function automatic({ processors, memory }: Capacity, need: Need): Count {
  return limited({ count: processors, reason: 'one per processor' }, memory, need)
}

/** 2 x processors + 1, Gunicorn's formula: for applications that block their processes. */
export function doubled({ processors, memory }: Capacity, need: Need): Count {
  return limited({ count: 2 * processors + 1, reason: '2 x processors + 1' }, memory, need)
}

function limited({ count, reason }: Count, memory: number, { each, beside }: Need): Count {
  const free = Math.floor(memory / megabyte)
  const fitting = Math.max(1, Math.floor((free - beside) / each))
  if (fitting >= count) return { count, reason }
  return { count: fitting, reason: `as many as fit into ${free} MB: ${each} MB each, ${beside} MB beside` }
}
