import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'

const groups = '/sys/fs/cgroup'

/**
 * How many processors this process may use at a time: what its affinity and, on Linux, the quotas of its control groups
 * leave of them. Of quotas Node knows those of version 2 alone, and not in all of its releases.
 */
export function processors(): number {
  return Math.max(1, Math.min(availableParallelism(), Math.ceil(quota())))
}

/** In processors, such as 1.5. */
function quota(): number {
  const lines = (read('/proc/self/cgroup') ?? '').split('\n').map(line => line.split(':'))
  const quotas = lines.flatMap(([, controllers = '', path = '/']) => {
    if (controllers === '') return upwards(path).map(at => quotaOfVersion2(join(groups, at)))
    if (!controllers.split(',').includes('cpu')) return []
    return upwards(path).map(at => quotaOfVersion1(join(groups, controllers, at)))
  })
  return Math.min(Number.POSITIVE_INFINITY, ...quotas)
}

/** A group has the limits of those above it too. In a container the path may be the host's, of which only the root is there. */
function upwards(path: string): string[] {
  return path === '/' ? ['/'] : [path, ...upwards(dirname(path))]
}

/** `max 100000`, or two numbers of microseconds. */
function quotaOfVersion2(folder: string): number {
  const [most, period] = (read(join(folder, 'cpu.max')) ?? '').split(' ').map(Number)
  return ratio(most, period)
}

/** Without a limit, -1. */
function quotaOfVersion1(folder: string): number {
  const most = read(join(folder, 'cpu.cfs_quota_us'))
  const period = read(join(folder, 'cpu.cfs_period_us'))
  return ratio(Number(most ?? Number.NaN), Number(period ?? Number.NaN))
}

function ratio(most = Number.NaN, period = Number.NaN): number {
  return most > 0 && period > 0 ? most / period : Number.POSITIVE_INFINITY
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
