import { availableParallelism } from 'node:os'
import { type ControlGroup, controlGroups } from './control-groups.ts'

/**
 * How many processors this process may use at a time: what its affinity and, on Linux, the quotas of its control groups
 * leave of them. Of quotas Node knows those of version 2 alone, and not in all of its releases.
 */
export function processors(): number {
  const quota = Math.min(Number.POSITIVE_INFINITY, ...controlGroups('cpu').map(quotaOf))
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota)))
}

/** In processors, such as 1.5. Without a limit, version 1 has -1, and version 2 `max 100000`. */
function quotaOf({ version, read }: ControlGroup): number {
  const numbers =
    version === 2
      ? (read('cpu.max') ?? '').split(' ')
      : [read('cpu.cfs_quota_us') ?? '', read('cpu.cfs_period_us') ?? '']
  const [most = Number.NaN, period = Number.NaN] = numbers.map(Number)
  return most > 0 && period > 0 ? most / period : Number.POSITIVE_INFINITY
}
