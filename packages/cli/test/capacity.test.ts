import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { automatic, capacity, doubled } from '../src/capacity.ts'

const megabytes = (count: number) => count * 2 ** 20

const need = { each: 160, beside: 80 }

test('one worker per processor, if memory suffices', () => {
  const { count, reason } = automatic({ processors: 4, memory: megabytes(8000) }, need)
  expect([count, reason]).toEqual([4, 'one per processor'])
})

test('as many as fit into the memory beside the primary, if that is less', () => {
  const { count, reason } = automatic({ processors: 8, memory: megabytes(512) }, need)
  expect([count, reason]).toEqual([2, 'as many as fit into 512 MB: 160 MB each, 80 MB beside'])
})

test('at least one, whatever there is', () => {
  expect(automatic({ processors: 1, memory: megabytes(64) }, need).count).toBe(1)
})

test('2n+1, if asked for, as far as memory goes', () => {
  expect(doubled({ processors: 4, memory: megabytes(8000) }, need).count).toBe(9)
  expect(doubled({ processors: 4, memory: megabytes(880) }, need).count).toBe(5)
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
/** Processes are in a group below the one that is limited, as in a container of Kubernetes. */
const inner = folders.map(folder => `${folder}/inner`)

function canLimit(): boolean {
  try {
    limit()
    return true
  } catch {
    return false
  } finally {
    leave()
  }
}

function limit(): void {
  for (const folder of [...folders, ...inner]) mkdirSync(folder)
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
  for (const folder of [...inner, ...folders]) if (existsSync(folder)) rmdirSync(folder)
}

/** What a process in the group has, after a command there. */
function capacityInside(command: string): { processors: number; memory: number } {
  const module = join(import.meta.dirname, '../src/capacity.ts')
  const look = `import('${module}').then(m => console.log(JSON.stringify(m.capacity())))`
  const joining = inner.map(folder => `echo $$ > ${folder}/cgroup.procs`)
  const script = [...joining, command, 'exec "$@"'].join(' && ')
  const node = [process.execPath, '--conditions=@sojourn/source', '-e', look]
  return JSON.parse(
    execFileSync('sh', ['-c', script, 'sh', ...node], { cwd: tmpdir(), encoding: 'utf8', stdio: 'pipe' }),
  )
}

test.skipIf(!canLimit())("a container's limits count, and those above it, not what the host has", () => {
  try {
    limit()
    const { processors, memory } = capacityInside('true')
    expect(processors).toBe(1)
    expect(memory).toBeLessThanOrEqual(400_000_000)
    expect(memory).toBeGreaterThan(200_000_000)
  } finally {
    leave()
  }
})

test.skipIf(!canLimit())("the disk's cache in a container is free to be used", () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-cache-'))
  try {
    limit()
    const { memory } = capacityInside(
      `dd if=/dev/zero of=${folder}/file bs=1M count=200 conv=fsync status=none`,
    )
    expect(memory).toBeGreaterThan(250_000_000)
  } finally {
    leave()
    rmSync(folder, { recursive: true })
  }
})
