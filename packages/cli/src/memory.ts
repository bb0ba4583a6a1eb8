import { freemem } from 'node:os'
import { type ControlGroup, controlGroups } from './control-groups.ts'

/**
 * Bytes that this process and those it starts may use: what is free and, on Linux, what their control groups leave of it.
 * Node knows the limit of a process's own group alone, and takes the disk's cache in it for used.
 */
export function availableMemory(): number {
  return Math.min(freemem(), ...controlGroups('memory').map(leftIn))
}

function leftIn({ version, read }: ControlGroup): number {
  const files =
    version === 2
      ? { limit: 'memory.max', used: 'memory.current', cache: 'inactive_file' }
      : { limit: 'memory.limit_in_bytes', used: 'memory.usage_in_bytes', cache: 'total_inactive_file' }
  const limit = Number(read(files.limit) ?? Number.NaN)
  if (!Number.isFinite(limit)) return Number.POSITIVE_INFINITY
  const cache = new RegExp(`^${files.cache} (\\d+)$`, 'm').exec(read('memory.stat') ?? '')?.[1] ?? 0
  return Math.max(0, limit - Number(read(files.used) ?? 0) + Number(cache))
}
