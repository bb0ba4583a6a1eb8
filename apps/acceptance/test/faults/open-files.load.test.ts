import { execFileSync, spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { type Server, startServer } from '../serving.ts'
import { Fire } from './fire.ts'
import { onFiles } from './stores.ts'

/** Node uses its sockets as long as the system lets it, but a limit can be lowered under it. */
const canLimit = spawnSync('prlimit', ['--version']).status === 0

/** Lets a process have no more files open than this; those that it has, it keeps. */
function limitOpenFiles(pid: number | string | undefined, most: number): void {
  execFileSync('prlimit', ['--pid', `${pid}`, `--nofile=${most}:`])
}

function openFiles(pid: number | undefined): number {
  return readdirSync(`/proc/${pid}/fd`).length
}

describe.skipIf(!canLimit)('F8: processes run out of file descriptors', () => {
  it('F8: again and again, in the midst of their work on files', async () => {
    const fire = await Fire.start(onFiles())
    const sessions = await fire.createSessions(4)
    const working = fire.work({ sessions })
    for (let round = 0; round < 20; round++) {
      await fire.trouble(async () => {
        const pids = fire.workers.map(({ process }) => process.pid)
        for (const pid of pids) limitOpenFiles(pid, openFiles(pid) + (round % 3))
        await sleep(100)
        for (const pid of pids) limitOpenFiles(pid, 1024)
      })
      await sleep(50)
    }
    // Rejects if any of them died.
    await fire.work()
    await working
    await fire.lookAtAll()
    const history = fire.verify('F8 filesystem', '4 workers without file descriptors 20 times')
    expect(history.some(({ result }) => result === 'unknown')).toBe(true)
  })

  it.each(['express-app.ts', 'koa-app.ts'])('F8: under a burst of connections: %s', async app => {
    const server = await startServer(app, { SESSION_STORE: 'filesystem' })
    const cookie = await server.signIn()
    const workers = workersOf(server)
    for (const pid of workers) limitOpenFiles(pid, 64)
    const results = await burst(server, cookie)
    for (const pid of workers) limitOpenFiles(pid, 1024)
    const acknowledged = [...results].filter(([, status]) => status === 200).map(([key]) => key)
    const { status, body } = await server.get('/data', cookie, 'own')
    const lost = acknowledged.filter(key => body[`key-${key}`] !== key)
    process.stdout.write(
      `F8 ${app}: ${results.size} requests, acknowledged ${acknowledged.length}, lost ${lost.length}\n`,
    )
    expect({ status, lost }).toEqual({ status: 200, lost: [] })
    expect(workersOf(server)).toEqual(workers)
    const outcomes = [...new Set(results.values())]
    expect(outcomes).toContain(503)
    expect([200, 503, 'ECONNRESET']).toEqual(expect.arrayContaining(outcomes))
  })
})

function workersOf({ pid }: Server): string[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')
}

/** Five times more connections than the workers can have: the status of each key's change, or how the connection ended. */
async function burst(server: Server, cookie: string): Promise<Map<string, number | string>> {
  const results = new Map<string, number | string>()
  const set = async (key: string) => {
    const outcome = server.get(`/set?key=${key}`, cookie, 'burst').then(
      ({ status }) => status,
      ({ code }) => String(code),
    )
    results.set(key, await outcome)
  }
  for (let wave = 0; wave < 5; wave++) {
    await Promise.all(Array.from({ length: 300 }, (_, i) => set(`${wave}-${i}`)))
  }
  return results
}
