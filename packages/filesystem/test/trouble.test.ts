import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  closeSync,
  cpSync,
  fstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { setImmediate, setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hashOf } from '../src/bucket-files.ts'
import { filesystemStore } from '../src/index.ts'
import { FolderLocks } from '../src/locks.ts'
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

/** The user `nobody` of most systems. */
const stranger = 65534

describe.skipIf(process.getuid?.() !== 0)('a folder that is removed, and made again by somebody else', () => {
  /** A running store, and a copy of its folder with all that is in it, which belongs to somebody else. */
  async function open() {
    const base = temporaryFolder()
    const directory = join(base, 'sessions')
    const store = filesystemStore({ directory, logger, cleanupInterval: 50 })
    onTestFinished(() => store.close())
    const { token } = await store.create(record())
    expect(await store.load(token)).not.toBeNull()
    const forged = join(base, 'forged')
    cpSync(directory, forged, { recursive: true })
    chownSync(forged, stranger, stranger)
    return { base, directory, forged, store, token }
  }

  it.each([
    ['open to all', (forged: string, directory: string) => renameSync(forged, directory), 0o777],
    ['closed to others', (forged: string, directory: string) => renameSync(forged, directory), 0o700],
    ['as a link', (forged: string, directory: string) => symlinkSync(forged, directory), 0o777],
  ])('%s, is not read and not written to, until it is gone', async (_, remake, mode) => {
    const { directory, forged, store, token } = await open()
    chmodSync(forged, mode)
    const before = readdirSync(forged, { recursive: true })
    rmSync(directory, { recursive: true })
    remake(forged, directory)
    const refused = { code: 'ERR_SESSION_DIRECTORY', status: 503 }
    await expect(store.load(token)).rejects.toMatchObject(refused)
    await expect(store.load('A'.repeat(43))).rejects.toMatchObject(refused)
    await expect(store.create(record())).rejects.toMatchObject(refused)
    await expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject(refused)
    await expect(store.destroy(token)).rejects.toMatchObject(refused)
    await expect(store.health()).rejects.toMatchObject(refused)
    expect(readdirSync(directory, { recursive: true })).toEqual(before)
    rmSync(directory, { recursive: true })
    const again = await store.create(record())
    expect(await store.load(again.token)).not.toBeNull()
    expect(statSync(directory).mode & 0o777).toBe(0o700)
  })

  it('does not lead a lock astray: a link to the file that it was on is none', async () => {
    const { base, directory, forged, store, token } = await open()
    const moved = join(base, 'moved')
    renameSync(directory, moved)
    renameSync(forged, directory)
    rmSync(join(directory, 'lock'))
    symlinkSync(join(moved, 'lock'), join(directory, 'lock'))
    const refused = { code: 'ERR_SESSION_DIRECTORY' }
    await expect(store.create(record())).rejects.toMatchObject(refused)
    await expect(store.update(token, { set: { a: 1 } })).rejects.toMatchObject(refused)
    expect(() => new FolderLocks(moved).try('write', hashOf('a'))).not.toThrow()
  })

  it('leads no cleanup to files that are not sessions', async () => {
    const { base, directory, forged } = await open()
    const precious = join(base, 'precious')
    mkdirSync(join(precious, 'folder'), { recursive: true })
    const longAgo = new Date(Date.now() - 120_000)
    utimesSync(join(precious, 'folder'), longAgo, longAgo)
    symlinkSync(precious, join(forged, 'tmp'))
    rmSync(directory, { recursive: true })
    renameSync(forged, directory)
    await sleep(200)
    expect(readdirSync(precious)).toEqual(['folder'])
  })
})

describe('a folder that is removed under load', () => {
  it('is closed to others when it is there again, whoever made it', async () => {
    const base = temporaryFolder()
    const directory = join(base, 'sessions')
    const store = filesystemStore({ directory, threshold: 0, logger })
    await store.health()
    rmSync(directory, { recursive: true })
    mkdirSync(directory)
    await store.create(record())
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    for (let round = 0; round < 40; round++) {
      const { token } = await store.create(record())
      const writes = [store.update(token, { set: { round } }), store.create(record())]
      for (let turn = 0; turn < round % 7; turn++) await setImmediate()
      renameSync(directory, join(base, `removed-${round}`))
      await Promise.allSettled(writes)
      await store.create(record())
      expect(statSync(directory).mode & 0o777).toBe(0o700)
    }
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
