import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { hashOf, pathOf } from '../src/bucket-files.ts'
import { EntryCopies } from '../src/entry-copies.ts'
import { filesystemStore } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'
import { callsIn, canTrace, fileThreads, pathsOf, trace } from './strace.ts'
import { startServer } from './traced-server.ts'

const logger = { info: () => {}, warn: () => {}, error: () => {} }

/** Longer than two writes may have the same time. */
const settled = 100

/** A session that one of two stores has loaded when nothing had changed it for a while, and so has a copy of. */
async function copied() {
  const directory = temporaryFolder()
  const [own, other] = [0, 1].map(() => filesystemStore({ directory, threshold: 0, logger }))
  if (own === undefined || other === undefined) throw new Error('two stores')
  onTestFinished(() => Promise.all([own.close(), other.close()]).then(() => undefined))
  const now = Date.now()
  const { token } = await other.create({ data: { n: 1 }, createdAt: now, expiresAt: now + 600_000 })
  await sleep(settled)
  const seen = async () => (await own.load(token))?.record.data.n ?? 'absent'
  expect(await seen()).toBe(1)
  return { own, other, token, seen, file: pathOf(directory, hashOf(`session:${token}`)) }
}

describe('a copy of a session in the process', () => {
  it('I2: does not hide what another process changed', async () => {
    const { other, token, seen } = await copied()
    for (const n of [2, 3, 4]) {
      await other.update(token, { set: { n } })
      expect(await seen()).toBe(n)
    }
  })

  it('I2: is not kept of what was changed while it was read, whatever the clock of the process says', async () => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 3_600_000 })
    onTestFinished(() => void vi.useRealTimers())
    const path = join(temporaryFolder(), 'file')
    const copies = new EntryCopies()
    for (const change of [() => appendFileSync(path, 'more'), () => undefined]) {
      writeFileSync(path, 'text')
      const reading = await copies.read(path)
      if (reading === undefined) throw new Error('there is a file')
      change()
      copies.keep(path, { value: reading.text, expiresAt: null }, reading)
      expect(copies.of(path)?.value).toBe(readFileSync(path, 'utf8') === 'text' ? 'text' : undefined)
    }
  })

  it('I1: does not outlive the session that another process ended', async () => {
    const { other, token, seen } = await copied()
    await other.destroy(token)
    expect(await seen()).toBe('absent')
  })

  it('F5: does not hide that the file was damaged since', async () => {
    const { file, seen } = await copied()
    const text = readFileSync(file)
    text.writeUInt8(text.readUInt8(10) ^ 1, 10)
    writeFileSync(file, text)
    await expect(seen()).rejects.toMatchObject({ code: 'ERR_SESSION_CORRUPT' })
  })
})

describe.skipIf(!canTrace)('the calls of the system that a page costs', () => {
  it('whose session has not changed since it was read: one look at its file, and no other', async () => {
    const directory = temporaryFolder()
    const { server, url } = await startServer(directory)
    const signedIn = await fetch(`${url}/short`)
    const cookie = signedIn.headers.get('set-cookie')?.split(';')[0] ?? ''
    await sleep(settled)
    const read = async () => expect((await fetch(`${url}/`, { headers: { cookie } })).status).toBe(200)
    await read()
    const log = join(temporaryFolder(), 'trace')
    const stop = await trace(fileThreads(server), ['-y', '-o', log, '-e', 'trace=%file,%desc'])
    for (let page = 0; page < 10; page++) await read()
    await stop()
    const calls = callsIn(readFileSync(log, 'utf8')).filter(call =>
      pathsOf(call).some(path => path.startsWith(join(directory, 'index'))),
    )
    expect(calls.map(({ name }) => name)).toEqual(Array.from({ length: 10 }, () => 'statx'))
  })
})
