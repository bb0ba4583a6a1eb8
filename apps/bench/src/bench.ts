// The frameworks alone, the peers, the ideal and Sojourn on the same work, in turns. Prints tables; writes bench.json and
// bench.svg into the folder of --out. Needs wrk and redis-server (Debian's packages of these names).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { RedisServer } from '@sojourn/redis-servers'
import { chartOf } from './chart.ts'
import { machine, type Result, rowsOf, tablesOf, versions } from './report.ts'
import { type Sample, Site, type Workload, workloads } from './site.ts'
import { idOf, subjects } from './subjects/index.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** Of each turn. */
    seconds: { type: 'string', default: '1' },
    /** Of load before the first turn of a workload: V8 compiles what is asked often only after some seconds. */
    warmup: { type: 'string', default: '4' },
    /** Parts of the names of subjects and of workloads, with commas between. */
    only: { type: 'string', default: '' },
    on: { type: 'string', default: '' },
    out: { type: 'string' },
  },
})
const peers = [
  ...['express', 'koa', 'redis', 'express-session', 'connect-redis', 'session-file-store'],
  ...['cookie-session', 'koa-session', 'iron-session'],
]
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const chosen = subjects.filter(subject => contains(idOf(subject), values.only))
const work = workloads.filter(({ name }) => contains(name, values.on))

function contains(name: string, parts: string): boolean {
  return parts.split(',').some(part => name.includes(part))
}

/** Of one workload, each site in turn, and that so many times, each time from another one on: what slows the machine hits all. */
async function measure(sites: readonly Site[], workload: Workload): Promise<Result[]> {
  const results = sites.map(site => ({ workload, site, subject: site.subject, samples: [] as Sample[] }))
  process.stderr.write(`${workload.name}\n`)
  for (const site of sites) await site.measure(workload, Number(values.warmup))
  for (let round = 0; round < rounds; round++) {
    const first = Math.round((round / rounds) * results.length)
    for (const { site, samples } of [...results.slice(first), ...results.slice(0, first)])
      samples.push(await site.measure(workload, seconds))
  }
  return results
}

/** What is measured here has no more. */
function fourDigits(_key: string, value: unknown): unknown {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value
}

const redis = await RedisServer.start()
const redisVersion = /redis_version:(\S+)/.exec(await redis.command('INFO', 'server'))?.[1]
const folder = mkdtempSync(join(tmpdir(), 'sojourn-bench-'))
const results: Result[] = []
try {
  for (const workers of new Set(work.map(each => each.workers))) {
    const sites: Site[] = []
    try {
      for (const subject of chosen) sites.push(await Site.start(subject, redis.url, folder, workers))
      for (const workload of work.filter(each => each.workers === workers))
        results.push(...(await measure(sites, workload)))
    } finally {
      for (const site of sites) site.stop()
    }
  }
} finally {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
}
const rows = rowsOf(results)
const beside = `${versions(peers)}, Redis ${redisVersion}`
const turns = `${rounds} turns of ${seconds} s each, after ${values.warmup} s that do not count`
process.stdout.write(`${machine()}; ${beside}; ${turns}\n\n${tablesOf(rows)}`)
if (values.out !== undefined) {
  // pnpm runs this in the folder of its package.
  const into = resolve(process.env.INIT_CWD ?? '.', values.out)
  const date = new Date().toISOString().slice(0, 10)
  const report = { machine: machine(), versions: beside, date, turns, rows }
  writeFileSync(join(into, 'bench.json'), `${JSON.stringify(report, fourDigits, 1)}\n`)
  writeFileSync(join(into, 'bench.svg'), chartOf(rows))
}
