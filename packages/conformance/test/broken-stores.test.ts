import { readFile } from 'node:fs/promises'
import { memoryStore } from '@sojourn/core/memory'
import { describe, expect, test } from 'vitest'
import { brokenStores } from '../src/broken-stores.ts'
import { caughtBy } from './caught-by.ts'
import { collect, runSuite } from './collect.ts'

const broken = Object.entries(brokenStores)
const results = new Map<string, readonly string[]>()

describe.concurrent('a store that is broken on purpose is caught', () => {
  test.each(broken)('%s', async (name, open) => {
    const { passed, failed } = await runSuite(open)
    const promises = [...failed.keys()]
    results.set(name, promises)
    for (const promise of caughtBy[name] ?? ['nobody said what must catch this store']) {
      expect(
        promises.some(name => name.startsWith(promise)),
        `"${promise}" failed`,
      ).toBe(true)
    }
    expect(passed.length, 'a store with one fault still keeps most promises').toBeGreaterThan(60)
  })
})

test('every test of the suite fails for at least one broken store', () => {
  expect(results.size).toBe(broken.length)
  const caught = new Set([...results.values()].flat())
  const never = collect(memoryStore).filter(({ name }) => !caught.has(name))
  expect(never.map(({ name }) => name)).toEqual([])
})

test('README names every broken store', async () => {
  const text = await readFile(new URL('../README.md', import.meta.url), 'utf8')
  for (const [name] of broken) expect(text).toContain(`\`${name}\``)
  expect(Object.keys(caughtBy).sort()).toEqual(Object.keys(brokenStores).sort())
})
