import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Client, type Sent } from './requests.ts'
import { Served } from './served.ts'

const runs = 20
const inFlight = 200
const users = 10

const servers = [
  ['cluster', ['--workers', '2']],
  ['threads', ['--server', 'threads', '--threads', '2']],
] as const

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-serve-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** What became of requests: how often each status or error. */
function tally(outcomes: readonly (number | string)[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

function codeOf(error: unknown): string {
  return error instanceof Error ? ('code' in error ? `${error.code}` : error.message) : 'unknown'
}

describe.each(servers)('--server %s', (server, options) => {
  test(`${inFlight} requests in flight at SIGTERM: none is refused or cut, no change is lost, ${runs} times`, async () => {
    const folder = temporaryFolder()
    let cookies: string[] = []
    for (let run = 0; run <= runs; run++) {
      const served = await Served.start('patient-app.ts', folder, ...options)
      const client = new Client(served.port)
      if (run > 0) {
        for (const cookie of cookies) {
          const { body } = await client.ask('/data', cookie)
          expect(Object.keys(body)).toHaveLength((run * inFlight) / users)
        }
      } else cookies = await Promise.all(Array.from({ length: users }, () => client.signIn()))
      // So that half of the requests find connections that stand.
      await Promise.all(
        cookies.flatMap(cookie =>
          Array.from({ length: inFlight / users / 2 }, () => client.ask('/', cookie, 'standing')),
        ),
      )
      const sent: Sent[] = Array.from({ length: run < runs ? inFlight : 0 }, (__, i) => {
        const path = `/slow-set?key=${run}-${i}`
        return client.send(path, cookies[i % users], i % 2 ? 'own' : 'standing')
      })
      await Promise.all(sent.map(({ left }) => left))
      served.signal('SIGTERM')
      const outcomes = sent.map(({ answer }) => answer.then(({ status }) => status, codeOf))
      expect(tally(await Promise.all(outcomes))).toEqual(run < runs ? { 200: inFlight } : {})
      client.close()
      expect(await served.exit).toBe(0)
    }
  }, 180_000)

  test(`${inFlight} requests in flight at SIGHUP, and always: none is refused or cut, no change is lost, ${runs} times`, async () => {
    const served = await Served.start('patient-app.ts', temporaryFolder(), ...options)
    const client = new Client(served.port)
    const cookies = await Promise.all(Array.from({ length: inFlight }, () => client.signIn()))
    const outcomes: (number | string)[] = []
    let going = true
    const visit = async (_: unknown, i: number) => {
      while (going) {
        const asked = client.ask('/late-count', cookies[i], i % 2 ? 'own' : 'standing')
        outcomes.push(await asked.then(({ status }) => status, codeOf))
      }
    }
    const visiting = Promise.all(Array.from({ length: inFlight }, visit))
    const generations = [served.pids]
    for (let run = 0; run < runs; run++) {
      const from = served.lines.length
      served.signal('SIGHUP')
      await served.line(/^(Workers|Threads): .*, all new /, from)
      generations.push(served.pids)
    }
    going = false
    await visiting
    expect(new Set(generations.flat()).size).toBe(generations.flat().length)
    const counted = await Promise.all(cookies.map(cookie => client.ask('/data', cookie)))
    const total = counted.reduce((sum, { body }) => sum + Number(body.count), 0)
    process.stdout.write(`${server}: ${runs} SIGHUPs, ${JSON.stringify(tally(outcomes))}, ${total} counted\n`)
    expect(served.lines.filter(line => /cut|killed/.test(line))).toEqual([])
    expect(tally(outcomes)).toEqual({ 200: total })
    client.close()
  }, 180_000)
})
