import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { isAlive, pidsIn, startDemo } from './demo.ts'

test.each(['SIGINT', 'SIGTERM'] as const)('%s ends every process of the demo', async signal => {
  const demo = await startDemo(['--store', 'memory', '--workers', '2'])
  try {
    const pids = pidsIn(demo.lines)
    expect(pids).toHaveLength(6)
    demo.process.kill(signal)
    await once(demo.process, 'close')
    expect(demo.process.exitCode).toBe(0)
    expect(pids.filter(isAlive)).toEqual([])
  } finally {
    await demo.stop()
  }
})

test('a server that fails ends both, with an exit code', async () => {
  const demo = await startDemo(['--store', 'memory', '--workers', '1'])
  try {
    const [first = 0] = pidsIn(demo.lines.filter(line => line.includes('Primary')))
    process.kill(first, 'SIGKILL')
    await once(demo.process, 'close')
    expect(demo.process.exitCode).toBe(1)
  } finally {
    await demo.stop()
  }
})

test('a port that was asked for and is in use is an error', async () => {
  const taken = createServer().listen(0)
  await once(taken, 'listening')
  const address = taken.address()
  const port = typeof address === 'object' && address !== null ? String(address.port) : ''
  await expect(startDemo(['--store', 'memory', '--koa-port', port])).rejects.toThrow(`Port ${port} is in use`)
  taken.close()
})

test('--help says what there is', async () => {
  const file = join(import.meta.dirname, '../src/start.ts')
  const child = spawn(process.execPath, ['--conditions=@sojourn/source', file, '--help'])
  expect(await text(child.stdout)).toMatch(/--store <name>/)
})
