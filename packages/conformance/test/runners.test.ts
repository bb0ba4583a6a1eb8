import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { memoryStore } from '@sojourn/core/memory'
import { expect, test } from 'vitest'
import { collect, runSuite } from './collect.ts'
import { sharedMemory, tokenStore } from './sound-stores.ts'

const run = promisify(execFile)
const pathTo = (path: string) => fileURLToPath(new URL(path, import.meta.url))
/** A runner that finds itself inside another one reports in another way. */
const env = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !/^(VITEST|NODE_TEST_CONTEXT)/.test(name)),
)

test('the memory store keeps every promise, and skips what needs another process or an index', async () => {
  const { passed, skipped, failed } = await runSuite(memoryStore)
  expect([...failed]).toEqual([])
  expect(passed.length).toBeGreaterThan(100)
  for (const name of skipped)
    expect(name).toMatch(/\(if supports\..*(sharedAcross|userIndex|eviction|namedSessions)/)
})

test('a store with all that a server side can have keeps every promise and skips eviction only', async () => {
  const { skipped, failed } = await runSuite(sharedMemory())
  expect([...failed]).toEqual([])
  expect(skipped).toEqual([expect.stringContaining('(if supports.eviction)')])
})

test('a store whose token is the session keeps what it promises, and skips the rest', async () => {
  const { passed, skipped, failed } = await runSuite(tokenStore)
  expect([...failed]).toEqual([])
  expect(passed.length).toBeGreaterThan(80)
  for (const name of skipped)
    expect(name).toMatch(/\(if supports\..*(revocation|atomicUpdate|userIndex|eviction|namedSessions)/)
})

test('a skip that throws, as in Vitest and Mocha, reaches the runner, and the store is closed', async () => {
  let closed = 0
  const open = () => ({ ...tokenStore(), close: async () => void closed++ })
  const needy = collect(open).find(({ name }) => name.endsWith('(if supports.atomicUpdate)'))
  const pending = new Error('pending')
  const mocha = {
    skip() {
      throw pending
    },
  }
  await expect(needy?.body.call(mocha)).rejects.toBe(pending)
  const vitest = Object.assign(() => {}, mocha)
  await expect(needy?.body.call(undefined, vitest)).rejects.toBe(pending)
  await expect(needy?.body.call(undefined)).resolves.toBeUndefined()
  expect(closed).toBe(3)
})

test('no test names a parameter: Mocha and Jest would wait for a callback', () => {
  for (const { body } of collect(memoryStore)) expect(body).toHaveLength(0)
})

test('tests have different names', () => {
  const names = collect(memoryStore).map(({ name }) => name)
  expect(new Set(names).size).toBe(names.length)
})

test('node:test runs the suite, and reports skips as skipped', async () => {
  const { passed, skipped } = await runSuite(memoryStore)
  const args = [
    '--conditions=@sojourn/source',
    '--test',
    '--test-reporter=tap',
    pathTo('fixtures/node-test.ts'),
  ]
  const { stdout } = await run(process.execPath, args, { env, timeout: 30_000 })
  const count = (word: string) => Number(new RegExp(`^# ${word} (\\d+)$`, 'm').exec(stdout)?.[1])
  expect(count('pass')).toBe(passed.length)
  expect(count('skipped')).toBe(skipped.length)
  expect(count('fail')).toBe(0)
})

test('Vitest runs the suite, and reports skips as skipped', async () => {
  const { passed, skipped } = await runSuite(memoryStore)
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs')
  const args = [vitest, 'run', '--reporter=tap-flat', pathTo('memory.test.ts')]
  const { stdout } = await run(process.execPath, args, { cwd: pathTo('../../..'), env, timeout: 30_000 })
  const lines = stdout.split('\n')
  expect(lines.filter(line => /^ok .*# SKIP/.test(line))).toHaveLength(skipped.length)
  expect(lines.filter(line => /^ok (?!.*# SKIP)/.test(line))).toHaveLength(passed.length)
  expect(lines.filter(line => line.startsWith('not ok'))).toEqual([])
})
