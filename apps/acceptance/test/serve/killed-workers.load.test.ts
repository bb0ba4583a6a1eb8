import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Client } from './requests.ts'
import { Served } from './served.ts'

const minute = 60_000
const visitors = 16
/** Far longer than any answer takes: whoever waits so long hangs. */
const patience = 20_000
/** Of the primary, in bytes, from the tenth kill to the last. */
const growth = 12 * 2 ** 20

/** What a process has in memory, in bytes. */
function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

interface Failure {
  /** In milliseconds, as `performance.now()` has it. */
  readonly at: number
  readonly code: string
  /** Of the process that had answered on the same connection before, if any had. */
  readonly pid: number | undefined
}

test.each([
  { options: ['--server', 'cluster', '--workers', '3'], least: 45 },
  // There is one process to be killed, and nobody else until it is replaced.
  { options: ['--server', 'threads', '--threads', '3'], least: 20 },
])(
  'kill -9 of a worker each second for a minute, $options: only what was in it fails, sessions hold, the primary does not grow',
  async ({ options, least }) => {
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-kills-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const served = await Served.start('patient-app.ts', folder, ...options)
    const client = new Client(served.port)
    let going = true
    onTestFinished(() => {
      going = false
    })
    const failures: Failure[] = []
    let answered = 0
    const unknown = new Map<string, number>()
    const counted = new Map<string, number>()
    const visit = async () => {
      const cookie = await client.signIn()
      // One connection, so that it is known which process has the next request.
      const own = new Client(served.port, 1)
      let last: { pid: number; socket: unknown } | undefined
      while (going) {
        const { request, left, answer } = own.send('/count', cookie, 'standing')
        left.catch(() => undefined)
        let socket: unknown
        request.once('socket', given => {
          socket = given
        })
        const late = sleep(patience, undefined, { ref: false }).then(() => {
          throw Object.assign(new Error('it hangs'), { code: 'HANGS' })
        })
        await Promise.race([answer, late])
          .then(({ status, body }) => {
            if (status !== 200) throw Object.assign(new Error(), { code: `${status}` })
            answered++
            counted.set(cookie, (counted.get(cookie) ?? 0) + 1)
            last = { pid: Number(body.pid), socket }
          })
          .catch((error: NodeJS.ErrnoException) => {
            const pid = socket === last?.socket ? last?.pid : undefined
            failures.push({ at: performance.now(), code: error.code ?? error.message, pid })
            unknown.set(cookie, (unknown.get(cookie) ?? 0) + 1)
          })
      }
      own.close()
    }
    const begun = performance.now()
    const visiting = Promise.all(Array.from({ length: visitors }, visit))
    const killed: { at: number; pid: number }[] = []
    let before = 0
    while (performance.now() - begun < minute) {
      if (killed.length === 10) before = memoryOf(served.pid)
      const { body } = await client.ask('/anonymous').catch(() => ({ body: { pid: 0 } }))
      const pid = Number(body.pid)
      await sleep(1000)
      if (pid === 0) continue
      killed.push({ at: performance.now(), pid })
      process.kill(pid, 'SIGKILL')
    }
    const after = memoryOf(served.pid)
    going = false
    await visiting
    const grown = Math.round((after - before) / 1024)
    const known = failures.filter(({ pid }) => pid !== undefined)
    process.stdout.write(
      `${options[1]}: ${killed.length} workers killed: ${answered} answered, ${failures.length} failed, ${known.length} of them in a known worker, primary ${Math.round(before / 2 ** 20)} MB, ${grown} kB more at the end\n`,
    )
    expect(killed.length).toBeGreaterThan(least)
    // Each was in a worker that was killed just then: cut, and none refused or left to hang.
    expect([...new Set(failures.map(({ code }) => code))].filter(code => code !== 'ECONNRESET')).toEqual([])
    expect(known.length).toBeGreaterThan(killed.length)
    for (const { at, pid } of failures) {
      const deaths = killed.filter(each => pid === undefined || each.pid === pid)
      expect(Math.min(...deaths.map(death => Math.abs(at - death.at)))).toBeLessThan(1000)
    }
    // Whoever was signed in is so, with all that was acknowledged, and no more than may have been stored.
    for (const [cookie, acknowledged] of counted) {
      const { body } = await client.ask('/data', cookie)
      const count = Number(body.count)
      expect(count).toBeGreaterThanOrEqual(acknowledged)
      expect(count).toBeLessThanOrEqual(acknowledged + (unknown.get(cookie) ?? 0))
    }
    expect(after - before).toBeLessThan(growth)
    client.close()
  },
  200_000,
)
