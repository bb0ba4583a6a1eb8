import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import { automatic, capacity, doubled } from '../src/capacity.ts'

const megabytes = (count: number) => count * 2 ** 20

test('one worker per processor, if memory suffices', () => {
  const { count, reason } = automatic({ processors: 4, memory: megabytes(8000) }, 160)
  expect([count, reason]).toEqual([4, 'one per processor'])
})

test('as many as fit into the memory, if that is less', () => {
  const { count, reason } = automatic({ processors: 8, memory: megabytes(512) }, 160)
  expect([count, reason]).toEqual([3, 'as many as fit into 512 MB with 160 MB each'])
})

test('at least one, whatever there is', () => {
  expect(automatic({ processors: 1, memory: megabytes(64) }, 160).count).toBe(1)
})

test('2n+1, if asked for, as far as memory goes', () => {
  expect(doubled({ processors: 4, memory: megabytes(8000) }, 160).count).toBe(9)
  expect(doubled({ processors: 4, memory: megabytes(800) }, 160).count).toBe(5)
})

test('what there is, is what this process may use', () => {
  const { processors, memory } = capacity()
  expect(processors).toBe(availableParallelism())
  expect(memory).toBeGreaterThan(0)
  expect(memory).toBeLessThanOrEqual(process.constrainedMemory() || Number.POSITIVE_INFINITY)
})
