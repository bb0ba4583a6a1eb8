import fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'
import { removesForGood } from '../src/broken/updates.ts'
import { collect } from './collect.ts'

test('a property that fails names its seed, and a list of calls that is short enough to read', async () => {
  fc.configureGlobal({ seed: 42 })
  onTestFinished(() => fc.resetConfigureGlobal())
  const model = collect(removesForGood).find(({ name }) => name.startsWith('Property: to whatever is called'))
  const error = String(await model?.body.call(undefined).catch((error: unknown) => error))
  expect(error).toContain('{ seed: 42, path: "')
  const [list = ''] = /^Counterexample: .*/m.exec(error) ?? []
  const calls = list.match(/"call":"\w+"/g) ?? []
  expect(calls.length).toBeGreaterThan(2)
  expect(calls.length).toBeLessThan(8)
  expect(error).toContain('AssertionError')
})
