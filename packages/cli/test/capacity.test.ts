import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
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
  expect(processors).toBeGreaterThan(0)
  expect(processors).toBeLessThanOrEqual(availableParallelism())
  expect(memory).toBeGreaterThan(0)
  expect(memory).toBeLessThanOrEqual(process.constrainedMemory() || Number.POSITIVE_INFINITY)
})

/** Control groups can be made by root, where they are mounted so that they can be written to. */
const group = `sojourn-test-${process.pid}`
const version2 = existsSync('/sys/fs/cgroup/cgroup.controllers')
const folders = version2
  ? [`/sys/fs/cgroup/${group}`]
  : ['cpu', 'memory'].map(name => `/sys/fs/cgroup/${name}/${group}`)

function canLimit(): boolean {
  try {
    for (const folder of folders) mkdirSync(folder)
    limit()
    return true
  } catch {
    return false
  } finally {
    leave()
  }
}

function limit(): void {
  const [first = '', second = ''] = folders
  if (version2) {
    writeFileSync(`${first}/cpu.max`, '100000 100000')
    writeFileSync(`${first}/memory.max`, '400000000')
  } else {
    writeFileSync(`${first}/cpu.cfs_quota_us`, '100000')
    writeFileSync(`${second}/memory.limit_in_bytes`, '400000000')
  }
}

function leave(): void {
  for (const folder of folders) if (existsSync(folder)) rmdirSync(folder)
}

test.skipIf(!canLimit())("a container's limits count, not what the host has", () => {
  for (const folder of folders) mkdirSync(folder)
  try {
    limit()
    const module = join(import.meta.dirname, '../src/capacity.ts')
    const look = `import('${module}').then(m => console.log(JSON.stringify(m.capacity())))`
    const script = `${folders.map(folder => `echo $$ > ${folder}/cgroup.procs`).join(' && ')} && exec "$@"`
    const node = [process.execPath, '--conditions=@sojourn/source', '-e', look]
    const found = execFileSync('sh', ['-c', script, 'sh', ...node], { cwd: tmpdir(), encoding: 'utf8' })
    const { processors, memory }: { processors: number; memory: number } = JSON.parse(found)
    expect(processors).toBe(1)
    expect(memory).toBeLessThanOrEqual(400_000_000)
  } finally {
    leave()
  }
})
