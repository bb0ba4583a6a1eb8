import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { crashLoop, longEnoughMs, restartDelay } from '../src/restarts.ts'
import { fetchText, fixture, serve } from './serving.ts'

test('a crash loop ends with a message', async () => {
  const serving = serve(fixture('crashes.mjs'), '--workers', '1')
  const address = await serving.address()
  while (serving.process.exitCode === null) {
    await fetchText(address).catch(() => sleep(20))
  }
  expect(await serving.exit).toBe(1)
  expect(serving.output).toMatch(/out of luck/)
  expect(serving.lines.at(-1)).toMatch(/Worker \d+ ended with code 1, as 6 before it, .* Giving up/)
})

test('so does one of workers that serve for some seconds each', async () => {
  const serving = serve(fixture('lives-shortly.mjs'), '--workers', '1')
  expect(await serving.exit).toBe(1)
  expect(serving.lines.at(-1)).toMatch(/Worker \d+ ended with code 1, as 6 before it, .* Giving up/)
})

test('what was well before is not given up, however often its workers die', async () => {
  const serving = serve(fixture('crashes-at.mjs'), '--workers', '1')
  const address = await serving.address()
  const first = await fetchText(address)
  await sleep(longEnoughMs.itself)
  for (let deaths = 0; deaths < crashLoop + 2; ) {
    await fetchText(`${address}/crash`).catch(() => sleep(20))
    deaths = serving.lines.filter(line => /Starting another/.test(line)).length
    expect(serving.process.exitCode).toBeNull()
  }
  let last = ''
  while (last === '') last = await fetchText(address).catch(() => sleep(20).then(() => ''))
  expect(last).not.toBe(first)
}, 180_000)

test('what others kill, once it serves, is not given up either', async () => {
  const serving = serve(fixture('who.mjs'), '--workers', '1')
  const address = await serving.address()
  await sleep(longEnoughMs.others)
  for (let kills = 0; kills < crashLoop + 2; kills++) {
    const [pid] = (await fetchText(address)).split('.')
    process.kill(Number(pid), 'SIGKILL')
    const replaced = () => serving.lines.filter(line => /took its place/.test(line)).length
    await expect.poll(replaced, { timeout: 30_000 }).toBe(kills + 1)
  }
  expect(await fetchText(address)).not.toBe('')
})

test('the pause before the next worker doubles, from 50 ms to 5 s', () => {
  expect([0, 1, 2, 3, 4, 8, 20].map(restartDelay)).toEqual([50, 50, 100, 200, 400, 5000, 5000])
})
