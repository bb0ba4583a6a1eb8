import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { longEnoughMs } from '../src/restarts.ts'
import { fixture, serve } from './serving.ts'

const kills = 60
const visitors = 24
/** Far longer than any answer takes. */
const patience = 10_000

/** Over a connection of its own. */
async function ask(address: string): Promise<string> {
  const headers = { connection: 'close' }
  return (await fetch(address, { headers, signal: AbortSignal.timeout(patience) })).text()
}

test('no connection hangs, however often workers are killed: it is answered, or broken off', async () => {
  const serving = serve(fixture('crashes-at.mjs'), '--workers', '3')
  const address = await serving.address()
  let going = true
  const outcomes = { answered: 0, broken: 0, hung: 0 }
  const visit = async () => {
    while (going) {
      const outcome = await ask(address).then(
        () => 'answered' as const,
        (error: unknown) =>
          error instanceof Error && error.name === 'TimeoutError' ? ('hung' as const) : ('broken' as const),
      )
      outcomes[outcome]++
    }
  }
  const visiting = Promise.all(Array.from({ length: visitors }, visit))
  await sleep(longEnoughMs + 500)
  for (let killed = 0; killed < kills; killed++) {
    const pid = Number(await ask(address).catch(() => ''))
    if (pid > 0) process.kill(pid, 'SIGKILL')
    await sleep(60)
  }
  going = false
  await visiting
  process.stdout.write(`${kills} workers killed: ${JSON.stringify(outcomes)}\n`)
  expect(outcomes.hung).toBe(0)
  expect(outcomes.answered).toBeGreaterThan(1000)
})
