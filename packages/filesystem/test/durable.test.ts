import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryFolder } from './folders.ts'
import { type Call, callsIn, canTrace, fileThreads, pathsOf, trace } from './strace.ts'
import { startServer } from './traced-server.ts'

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
