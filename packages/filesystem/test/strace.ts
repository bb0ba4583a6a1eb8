import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** A thread of a process, by the name that the kernel knows it by. */
export interface Thread {
  readonly id: string
  readonly name: string
}

/** Tracing needs the program, and a kernel that lets this user do it. */
export const canTrace: boolean = spawnSync('strace', ['-o', '/dev/null', 'true']).status === 0

/** Those that touch files: the one that runs JavaScript, and those of the pool. */
export function fileThreads({ pid }: ChildProcess): Thread[] {
  const folder = `/proc/${pid}/task`
  const all = readdirSync(folder).map(id => ({
    id,
    name: readFileSync(`${folder}/${id}/comm`, 'utf8').trim(),
  }))
  return all.filter(({ id, name }) => id === `${pid}` || name === 'libuv-worker')
}

/** Traces the threads of a running process from now on. @returns what ends it */
export async function trace(
  threads: readonly Thread[],
  options: readonly string[],
): Promise<() => Promise<void>> {
  const strace = spawn('strace', [...options, ...threads.flatMap(({ id }) => ['-p', id])], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const exited = once(strace, 'exit')
  const lines = createInterface({ input: strace.stderr })
  let attached = 0
  const output: string[] = []
  for await (const line of lines) {
    output.push(line)
    if (line.endsWith(' attached')) attached++
    if (attached === threads.length) break
  }
  if (attached < threads.length) throw new Error(`strace did not start: ${output.join('\n')}`)
  strace.stderr.resume()
  return async () => {
    strace.kill('SIGINT')
    await exited
  }
}

/** A system call that ended well. */
export interface Call {
  readonly name: string
  /** As strace prints them, file descriptors with their paths. */
  readonly args: string
  /** Positions in the order of all beginnings and ends. */
  readonly began: number
  readonly ended: number
}

/** What a log of strace tells, whatever calls of other threads lie between a call's two lines. */
export function callsIn(log: string): Call[] {
  const calls: Call[] = []
  const open = new Map<string, { readonly name: string; readonly args: string; readonly began: number }>()
  for (const [at, line] of log.split('\n').entries()) {
    const [, thread = '', text = ''] = /^(\d+) +(.*)$/.exec(line) ?? []
    const [, name, args = ''] = /^(\w+)\((.*?)(?: <unfinished \.\.\.>|\) += .*)$/.exec(text) ?? []
    if (name !== undefined) open.set(thread, { name, args, began: at })
    const call = open.get(thread)
    if (call !== undefined && /\) += \d/.test(text)) calls.push({ ...call, ended: at })
  }
  return calls
}

/** The paths that a call names, or of the files that it has open. */
export function pathsOf({ args }: Call): string[] {
  return [...args.replace(/^AT_FDCWD<[^>]*>/, '').matchAll(/[<"](\/[^>"]*)[>"]/g)].map(
    ([, path = '']) => path,
  )
}
