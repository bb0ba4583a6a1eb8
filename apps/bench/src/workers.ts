// How many workers `sojourn serve` should start: an application that computes, one that waits and one that does both, with
// several counts of workers and of threads, in turns; arguments choose among the paths. Needs wrk (Debian's package of
// this name).
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs, promisify } from 'node:util'
import { commandFile } from '@sojourn/cli'
import { residentOf } from './site.ts'

const run = promisify(execFile)
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    rounds: { type: 'string', default: '5' },
    /** Of each turn. */
    seconds: { type: 'string', default: '2' },
  },
})
const allPaths = ['/processor', '/waiting', '/both', '/blocking']
const paths = positionals.length > 0 ? positionals : allPaths
const processors = availableParallelism()
const counts = [...new Set([1, processors, processors + 1, 2 * processors + 1])]
const connections = 64

interface Turn {
  readonly perSecond: number
  readonly p99: number
  /** Megabytes of a process that serves. */
  readonly memory: number
}

async function turn(kind: 'cluster' | 'threads', count: number, path: string): Promise<Turn> {
  const option = kind === 'cluster' ? '--workers' : '--threads'
  const args = ['serve', join(import.meta.dirname, 'workers-app.ts'), '--server', kind, option, String(count)]
  const flags = ['--conditions=@sojourn/source', commandFile]
  const child = spawn(process.execPath, [...flags, ...args, '--port', '0', '--host', '127.0.0.1'], {
    env: {
      PATH: process.env.PATH,
      SESSION_STORE: 'filesystem',
      SECRET_KEY: 'a secret of the benchmark, 32 bytes and more',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  let pids: number[] = []
  const listens = new Promise<string>(resolve => {
    createInterface({ input: child.stdout }).on('line', line => {
      pids = /^(?:Workers|Threads):.*pid ([\d, ]+)/.exec(line)?.[1]?.split(', ').map(Number) ?? pids
      const address = /^Listening on (\S+)/.exec(line)?.[1]
      if (address !== undefined) resolve(address)
    })
  })
  const url = await Promise.race([listens, ended.then(() => undefined)])
  if (url === undefined) throw new Error('the server did not start')
  const script = join(import.meta.dirname, 'load.lua')
  const options = [
    '-t1',
    `-c${connections}`,
    `-d${values.seconds}s`,
    '--timeout',
    '10s',
    '-s',
    script,
    url,
    '--',
    path,
    '/dev/null',
  ]
  try {
    const { stdout } = await run('wrk', options)
    const { requests, seconds, failed, p99 } = JSON.parse(stdout.slice(stdout.lastIndexOf('{')))
    if (failed > 0) throw new Error(`${failed} of ${requests} requests failed`)
    const memory = pids.reduce((sum, pid) => sum + residentOf(pid), 0) / (kind === 'cluster' ? count : 1)
    return { perSecond: requests / seconds, p99, memory }
  } finally {
    child.kill('SIGTERM')
    await ended
  }
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN
}

process.stdout.write(
  `${processors} processors, ${process.version}, ${/model name\s*: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]}\n`,
)
process.stdout.write(
  '| | | requests per second | p99 | memory of a process |\n| --- | --- | --- | --- | --- |\n',
)
for (const path of paths) {
  const turns = new Map<string, Turn[]>()
  for (let round = 0; round < Number(values.rounds); round++) {
    for (const kind of ['cluster', 'threads'] as const) {
      for (const count of counts) {
        const name = `${count} ${kind === 'cluster' ? 'workers' : 'threads'}`
        turns.set(name, [...(turns.get(name) ?? []), await turn(kind, count, path)])
      }
    }
  }
  for (const [name, all] of turns) {
    const [perSecond, p99, memory] = [
      median(all.map(each => each.perSecond)),
      median(all.map(each => each.p99)),
      median(all.map(each => each.memory)),
    ]
    process.stdout.write(
      `| ${path.slice(1)} | ${name} | ${Math.round(perSecond)} | ${Math.round(p99)} ms | ${Math.round(memory)} MB |\n`,
    )
  }
}
