// The frameworks alone, the peers, the ideal and Sojourn on the same work, in turns. Prints tables; writes bench.json and
// bench.svg into the folder of --out. Needs wrk and redis-server (Debian's packages of these names).
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { RedisServer } from '@sojourn/redis-servers'
import { chartOf } from './chart.ts'
import { machine, type Result, rowsOf, tablesOf } from './report.ts'
import { type Sample, Site, type Workload, workloads } from './site.ts'
import { idOf, subjects } from './subjects/index.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    /** Of each turn. */
    seconds: { type: 'string', default: '2' },
    /** Parts of the names of subjects and of workloads, with commas between. */
    only: { type: 'string', default: '' },
    on: { type: 'string', default: '' },
    out: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const seconds = Number(values.seconds)
const chosen = subjects.filter(subject => contains(idOf(subject), values.only))
const work = workloads.filter(({ name }) => contains(name, values.on))

function contains(name: string, parts: string): boolean {
  return parts.split(',').some(part => name.includes(part))
}

/** Each workload on each site, one after the other, and that so many times: what slows the machine hits all. */
async function measure(sites: readonly Site[], asked: readonly Workload[]): Promise<Result[]> {
  const results = asked.flatMap(workload =>
    sites.map(site => ({ workload, site, subject: site.subject, samples: [] as Sample[] })),
  )
  for (const { site, workload } of results) await site.measure(workload, 1)
  for (let round = 1; round <= rounds; round++) {
    process.stderr.write(`round ${round} of ${rounds}\n`)
    for (const { site, workload, samples } of results) samples.push(await site.measure(workload, seconds))
  }
  return results
}

const redis = await RedisServer.start()
const folder = mkdtempSync(join(tmpdir(), 'sojourn-bench-'))
const results: Result[] = []
try {
  for (const workers of new Set(work.map(each => each.workers))) {
    const sites: Site[] = []
    try {
      for (const subject of chosen) sites.push(await Site.start(subject, redis.url, folder, workers))
      results.push(
        ...(await measure(
          sites,
          work.filter(each => each.workers === workers),
        )),
      )
    } finally {
      for (const site of sites) site.stop()
    }
  }
} finally {
  await redis.stop()
  rmSync(folder, { recursive: true, force: true })
}
const rows = rowsOf(results)
process.stdout.write(`${machine()}; ${rounds} rounds of ${seconds} s\n\n${tablesOf(rows)}`)
if (values.out !== undefined) {
  const report = { machine: machine(), date: new Date().toISOString().slice(0, 10), rounds, seconds, rows }
  writeFileSync(join(values.out, 'bench.json'), `${JSON.stringify(report, null, 1)}\n`)
  writeFileSync(join(values.out, 'bench.svg'), chartOf(rows))
}
