import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { filesystemStore } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'
import { startWorker } from './processes.ts'

const logger = { info: () => {}, warn: () => {}, error: () => {} }
const record = () => ({ data: { note: 'kept' }, createdAt: Date.now(), expiresAt: Date.now() + 600_000 })

function openFiles(): number {
  return readdirSync('/dev/fd').length
}

/** Mounts need root, or a kernel that lets users have mount namespaces. */
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0

function afterTrouble(name: string): unknown {
  const script = join(import.meta.dirname, 'trouble-worker.ts')
  const args = ['-m', process.execPath, '--conditions=@sojourn/source', script, name]
  return JSON.parse(execFileSync('unshare', args, { encoding: 'utf8' }))
}

describe.skipIf(!canMount)('on a disk in trouble', () => {
  it('F6: full: writes fail, reads work, signing out works', () => {
    expect(afterTrouble('disk-full')).toEqual({
      create: { code: 'ENOSPC' },
      update: { code: 'ENOSPC' },
      load: { note: 'kept' },
      destroy: 'done',
      loadDestroyed: null,
    })
  })

  it('F6: out of inodes: a new session fails, existing ones go on, signing out works', () => {
    expect(afterTrouble('out-of-inodes')).toMatchObject({
      create: { code: 'ENOSPC' },
      update: { status: 'written' },
      load: { note: 'kept' },
      destroy: 'done',
      loadDestroyed: null,
    })
  })

  it('F6: out of inodes for long: every change of an existing session is stored and answered so', () => {
    expect(afterTrouble('out-of-inodes-for-long')).toEqual({ answered: 60, n: 60 })
  })

  it('F7: read-only: reads work, and signing out fails rather than pretend', () => {
    expect(afterTrouble('read-only')).toMatchObject({
      create: { code: 'ERR_SESSION_STORE_UNAVAILABLE' },
      update: { code: 'EROFS' },
      load: { note: 'kept' },
      destroy: { code: 'EROFS' },
      loadDestroyed: { record: { data: { note: 'kept' } } },
    })
  })

  it.each([
    ['read-only-at-start', "FOLDER can't be written to. Choose another with SESSION_DIR"],
    [
      'not-ours',
      'FOLDER belongs to somebody else (uid 1234). Choose another with SESSION_DIR, or run: sudo chown',
    ],
    ['a-file', 'FOLDER'],
    [
      'open-to-others',
      'FOLDER holds other things and is open to other users. Choose one for sessions alone: SESSION_DIR=FOLDER/sessions',
    ],
  ])('fails the start on a folder that is %s, with what mends it', (trouble, message) => {
    expect(afterTrouble(trouble)).toEqual({
      code: 'ERR_SESSION_DIRECTORY',
      message: expect.stringContaining(message),
    })
  })
})

describe('the folder', () => {
  it('fails the start where the file system refuses folders, and does not hang', async () => {
    await expect(
      filesystemStore({ directory: '/proc/sojourn/sessions', logger }).health(),
    ).rejects.toMatchObject({
      code: 'ERR_SESSION_DIRECTORY',
    })
  })

  it('is made with mode 0700, parents included', async () => {
    const base = join(temporaryFolder(), 'a')
    const store = filesystemStore({ directory: join(base, 'b'), logger })
    await store.health()
    expect([base, join(base, 'b')].map(path => statSync(path).mode & 0o777)).toEqual([0o700, 0o700])
    await store.close()
  })

  it('may be removed from a running server: everybody is signed out, and it goes on', async () => {
    const directory = temporaryFolder()
    const store = filesystemStore({ directory, logger })
    const { token } = await store.create(record())
    const worker = await startWorker(directory)
    rmSync(directory, { recursive: true })
    expect(await store.load(token)).toBeNull()
    expect((await store.update(token, { set: { a: 1 } })).status).toBe('gone')
    const again = await store.create(record())
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    // Both processes must agree on the new lock file.
    const acknowledged = Promise.all([
      worker.ask('keys', { token: again.token, count: 100, name: 'w' }),
      ...Array.from({ length: 100 }, (_, i) => store.update(again.token, { set: { [`here-${i}`]: i } })),
    ])
    expect((await acknowledged)[0]).toBe(100)
    expect(Object.keys((await store.load(again.token))?.record.data ?? {})).toHaveLength(201)
    await store.close()
  })
})

describe('close', () => {
  it('waits for what is under way, and touches no file that is not its own', async () => {
    const directory = temporaryFolder()
    const store = filesystemStore({ directory, threshold: 0, lockTimeout: 200, logger })
    const { token } = await store.create(record())
    const worker = await startWorker(directory)
    await worker.ask('lock', { token })
    const waiting = expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject({ status: 503 })
    await sleep(20)
    await store.close()
    const files = Array.from({ length: 20 }, () => openSync(import.meta.filename, 'r'))
    await waiting
    await sleep(20)
    for (const file of files) expect(fstatSync(file).isFile()).toBe(true)
    for (const file of files) closeSync(file)
  })

  it('is for good, whatever is under way: nothing is left open, and nothing of others is closed', async () => {
    const before = openFiles()
    for (let turns = 0; turns < 12; turns++) {
      const store = filesystemStore({ directory: temporaryFolder(), logger })
      const { token } = await store.create(record())
      const closing = store.close()
      for (let turn = 0; turn < turns; turn++) await Promise.resolve()
      const late = [store.create(record()), store.update(token, { set: { a: 1 } }), store.destroy(token)]
      const outcomes = await Promise.allSettled([...late, closing, store.close()])
      for (const outcome of outcomes) {
        if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ status: 503 })
      }
      const file = openSync(import.meta.filename, 'r')
      store.hold(token)
      store.release(token)
      expect(fstatSync(file).isFile()).toBe(true)
      closeSync(file)
    }
    expect(openFiles()).toBe(before)
  })

  it('is for good: nothing opens the folder again', async () => {
    const store = filesystemStore({ directory: temporaryFolder(), logger })
    const { token } = await store.create(record())
    await store.close()
    const closed = { code: 'ERR_SESSION_STORE_UNAVAILABLE' }
    await expect(store.create(record())).rejects.toMatchObject(closed)
    await expect(store.load(token)).rejects.toMatchObject(closed)
    await expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject(closed)
  })
})

describe('a folder that is removed and can not be made again', () => {
  it('is an outage, until it can: no error of its own kind, no end of the process, no write into other files', async () => {
    const base = join(temporaryFolder(), 'base')
    const store = filesystemStore({ directory: join(base, 'sessions'), threshold: 1, logger })
    const { token } = await store.create(record())
    store.hold(token)
    // All are in use, so a cleanup comes back a second later.
    await store.create(record()).then(more => store.hold(more.token))
    await sleep(100)
    rmSync(base, { recursive: true })
    writeFileSync(base, '')
    const file = join(temporaryFolder(), 'other')
    const other = openSync(file, 'w')
    store.hold('a'.repeat(43))
    await expect(store.create(record())).rejects.toMatchObject({ code: expect.any(String) })
    await sleep(1200)
    expect(statSync(file).size).toBe(0)
    rmSync(base)
    mkdirSync(base)
    const again = await store.create(record())
    expect(await store.load(again.token)).not.toBeNull()
    expect(statSync(file).size).toBe(0)
    closeSync(other)
    await store.close()
  })
})

describe('a process that is stopped while it holds a lock', () => {
  it('I5: makes others wait up to lockTimeout and fail; nobody writes under its feet', async () => {
    const directory = temporaryFolder()
    const store = filesystemStore({ directory, threshold: 0, lockTimeout: 200, logger })
    const { token } = await store.create(record())
    const worker = await startWorker(directory)
    await worker.ask('lock', { token })
    worker.process.kill('SIGSTOP')
    await expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject({
      code: 'ERR_SESSION_STORE_UNAVAILABLE',
      status: 503,
    })
    await expect(store.destroy(token)).rejects.toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })
    expect((await store.load(token))?.record.data).toEqual({ note: 'kept' })
    worker.process.kill('SIGKILL')
    await once(worker.process, 'exit')
    expect((await store.update(token, { set: { a: 1 } })).status).toBe('written')
    await store.close()
  })
})
