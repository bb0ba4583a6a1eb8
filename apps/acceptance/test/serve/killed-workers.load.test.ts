import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { Client } from './requests.ts'
import { Served } from './served.ts'

const kills = 60
const visitors = 16
const workers = 3
/** Far longer than any answer takes: whoever waits so long hangs. */
const patience = 20_000
/** Of the primary, in bytes, from the tenth kill to the last. */
const growth = 12 * 2 ** 20

/** What a process has in memory, in bytes. */
function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024
}

test(`kill -9 of a worker each second for a minute: only what was in it fails, sessions hold, the primary does not grow`, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-kills-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const served = await Served.start('patient-app.ts', folder, '--workers', String(workers))
  const client = new Client(served.port)
  let going = true
  const failures: { at: number; code: string }[] = []
  let answered = 0
  const unknown = new Map<string, number>()
  const counted = new Map<string, number>()
  const visit = async () => {
    const cookie = await client.signIn()
    while (going) {
      const asked = client.ask('/count', cookie)
      const late = sleep(patience, undefined, { ref: false }).then(() => {
        throw Object.assign(new Error('it hangs'), { code: 'HANGS' })
      })
      await Promise.race([asked, late])
        .then(({ status }) => {
          if (status !== 200) throw Object.assign(new Error(), { code: `${status}` })
          answered++
          counted.set(cookie, (counted.get(cookie) ?? 0) + 1)
        })
        .catch((error: NodeJS.ErrnoException) => {
          failures.push({ at: performance.now(), code: error.code ?? error.message })
          unknown.set(cookie, (unknown.get(cookie) ?? 0) + 1)
        })
    }
  }
  const visiting = Promise.all(Array.from({ length: visitors }, visit))
  const killed: number[] = []
  let before = 0
  for (let kill = 0; kill < kills; kill++) {
    await sleep(1000)
    if (kill === 10) before = memoryOf(served.pid)
    const { body } = await client.ask('/anonymous').catch(() => ({ body: { pid: 0 } }))
    if (Number(body.pid) === 0) continue
    killed.push(performance.now())
    process.kill(Number(body.pid), 'SIGKILL')
  }
  const after = memoryOf(served.pid)
  going = false
  await visiting
  const grown = Math.round((after - before) / 1024)
  process.stdout.write(
    `${killed.length} workers killed: ${answered} answered, ${failures.length} failed, primary ${Math.round(before / 2 ** 20)} MB, ${grown} kB more at the end\n`,
  )
  expect(killed.length).toBeGreaterThan(kills * 0.8)
  // Each was in a worker that was killed just then: cut, and none refused or left to hang.
  expect([...new Set(failures.map(({ code }) => code))].filter(code => code !== 'ECONNRESET')).toEqual([])
  for (const { at } of failures)
    expect(Math.min(...killed.map(each => Math.abs(at - each)))).toBeLessThan(1000)
  expect(failures.length).toBeLessThanOrEqual(killed.length * visitors)
  // Whoever was signed in is so, with all that was acknowledged, and no more than may have been stored.
  for (const [cookie, least] of counted) {
    const { body } = await client.ask('/data', cookie)
    const count = Number(body.count)
    expect(count).toBeGreaterThanOrEqual(least)
    expect(count).toBeLessThanOrEqual(least + (unknown.get(cookie) ?? 0))
  }
  expect(after - before).toBeLessThan(growth)
  client.close()
}, 150_000)
