import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { temporaryFolder } from './folders.ts'
import { canTrace, fileThreads, trace } from './strace.ts'

/** A system call that ended well. */
interface Call {
  readonly name: string
  /** As strace prints them, file descriptors with their paths. */
  readonly args: string
  /** Positions in the order of all beginnings and ends. */
  readonly began: number
  readonly ended: number
}

async function startServer(directory: string): Promise<{ server: ChildProcess; url: string }> {
  const server = fork(join(import.meta.dirname, 'durable-server.ts'), [directory], {
    execArgv: ['--conditions=@sojourn/source'],
    env: { ...process.env, SECRET_KEY: 'a secret of the tests that has 32 bytes and more' },
  })
  onTestFinished(() => void server.kill('SIGKILL'))
  const [{ port }] = await once(server, 'message')
  return { server, url: `http://127.0.0.1:${port}` }
}

/** What a log of strace tells, whatever calls of other threads lie between a call's two lines. */
function callsIn(log: string): Call[] {
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
function pathsOf({ args }: Call): string[] {
  return [...args.replace(/^AT_FDCWD<[^>]*>/, '').matchAll(/[<"](\/[^>"]*)[>"]/g)].map(
    ([, path = '']) => path,
  )
}

/** What was not on the disk when the answer began, as the calls before it tell. */
function notOnDisk(calls: readonly Call[], answer: Call, index: string): string[] {
  const isSynced = (path: string | undefined, since: Call, before: Call) =>
    calls.some(
      call =>
        call.name === 'fsync' &&
        pathsOf(call)[0] === path &&
        call.began > since.ended &&
        call.ended < before.began,
    )
  return calls.flatMap(call => {
    const [path = '', target = ''] = pathsOf(call)
    const needs: Record<string, [path: string, before: Call][]> = {
      write: [[path, answer]],
      utimensat: [[path, answer]],
      mkdir: [[dirname(path), answer]],
      unlink: [[dirname(path), answer]],
      openat: call.args.includes('O_CREAT') ? [[dirname(path), answer]] : [],
      rename: [[dirname(target), answer]],
    }
    const missing = (needs[call.name] ?? [])
      .filter(([file]) => file.startsWith(index))
      .filter(([file, before]) => !isSynced(file, call, before))
    // What is renamed must be on the disk before that.
    const draft = call.name === 'rename' && target.startsWith(index)
    const written = calls.filter(each => each.name === 'write' && pathsOf(each)[0] === path)
    const early = draft ? written.filter(write => !isSynced(path, write, call)) : []
    return [...missing.map(([file]) => `${call.name}: ${file}`), ...early.map(() => `rename: ${path}`)]
  })
}

describe.skipIf(!canTrace)('durable', () => {
  it('F4: an answer waits until the disk has the file, and the folders that name it: 50 of 50', async () => {
    const directory = temporaryFolder()
    const { server, url } = await startServer(directory)
    const log = join(temporaryFolder(), 'trace')
    const stop = await trace(fileThreads(server), ['-y', '-o', log, '-e', 'trace=%file,%desc,%net'])
    for (let round = 0; round < 10; round++) {
      let cookie = ''
      // The long note goes, and with it most of the file: it is written anew.
      for (const path of ['/short', '/long', '/short', '/short', '/sign-out']) {
        const answer = await fetch(url + path, { headers: { cookie } })
        expect(answer.status).toBe(200)
        cookie = answer.headers.get('set-cookie')?.split(';')[0] ?? cookie
      }
    }
    await stop()
    const calls = callsIn(readFileSync(log, 'utf8'))
    const answers = calls.filter(({ args }) => args.includes('"HTTP/1.1 200'))
    expect(answers).toHaveLength(50)
    let changes = 0
    for (const [at, answer] of answers.entries()) {
      const since = answers[at - 1]?.ended ?? 0
      const own = calls.filter(({ began, ended }) => began > since && ended < answer.began)
      const touching = own.filter(call =>
        pathsOf(call).some(path => path.startsWith(join(directory, 'index'))),
      )
      if (touching.some(({ name }) => ['write', 'rename', 'unlink'].includes(name))) changes++
      expect(notOnDisk(own, answer, join(directory, 'index')), `of answer ${at}`).toEqual([])
    }
    process.stdout.write(`F4: 50 changes, ${changes} on the disk before their answer\n`)
    expect(changes).toBe(50)
  })
})
