import { readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { SessionStore, UserIndex } from '@sojourn/core'
import { newId } from '@sojourn/core/store-kit'
import { encodeRecord } from '@sojourn/keyv'
import { expect, it, onTestFinished } from 'vitest'
import { hashOf, pathOf } from '../src/bucket-files.ts'
import { filesystemStore, KeyvCacache } from '../src/index.ts'
import { FolderLocks } from '../src/locks.ts'
import { temporaryFolder } from './folders.ts'

const logger = { info: () => {}, warn: () => {}, error: () => {} }
const record = (userId = 'ada') => ({
  data: {},
  userId,
  createdAt: Date.now(),
  expiresAt: Date.now() + 3_600_000,
})

function open(directory: string, cleanupInterval = 300_000): SessionStore & UserIndex {
  const store = filesystemStore({ directory, threshold: 0, lockTimeout: 20_000, cleanupInterval, logger })
  onTestFinished(() => store.close())
  return store
}

async function listed(store: UserIndex): Promise<string[]> {
  const tokens: string[] = []
  for await (const { token } of store.listByUser('ada')) tokens.push(token)
  return tokens
}

/** Paths of the files that index users. */
function entriesIn(directory: string): string[] {
  const files = readdirSync(join(directory, 'users'), { recursive: true, withFileTypes: true })
  return files
    .filter(file => file.isFile() && /^[0-9a-f]{64}$/.test(file.name))
    .map(({ parentPath, name }) => join(parentPath, name))
}

const sessionFile = (directory: string, token: string) => pathOf(directory, hashOf(`session:${token}`))

it('neither the user nor an id is a part of a name, and nobody else can read what is in the files', async () => {
  const directory = temporaryFolder()
  const { token } = await open(directory).create(record())
  const names = readdirSync(directory, { recursive: true }).join()
  for (const hidden of ['ada', token]) expect(names).not.toContain(hidden)
  const [file = ''] = entriesIn(directory)
  expect(readFileSync(file, 'utf8')).toContain(token)
  expect(statSync(file).mode & 0o777).toBe(0o600)
})

it('a sign-in that is under way while the user is listed is listed afterwards', async () => {
  const directory = temporaryFolder()
  const store = open(directory)
  const first = await store.create(record())
  const [file = ''] = entriesIn(directory)
  const userFolder = join(file, '..')
  // Another process is at it: it has the lock of the user, the entry is there, the session is not yet.
  const locks = new FolderLocks(directory)
  const keyv = new KeyvCacache({ directory })
  onTestFinished(() => keyv.disconnect())
  await locks.acquire(hashOf('session:user:ada'), 2000)
  const token = newId()
  writeFileSync(join(userFolder, hashOf(`session:${token}`)), `${token} 2`)
  const looking = listed(store)
  const isWaitedFor = () => {
    const free = locks.try('wait', hashOf('session:user:ada'))
    if (free) locks.release('wait', hashOf('session:user:ada'))
    return !free
  }
  await expect.poll(isWaitedFor).toBe(true)
  await keyv.createIfAbsent(`session:${token}`, encodeRecord(record(), 1), Date.now() + 3_600_000)
  locks.release('write', hashOf('session:user:ada'))
  locks.close()
  expect(await looking).toEqual([first.token])
  expect((await listed(store)).sort()).toEqual([first.token, token].sort())
})

it('what has no session any more is not listed, and goes with the next list', async () => {
  const directory = temporaryFolder()
  const store = open(directory)
  const [stays, goes] = [await store.create(record()), await store.create(record())]
  rmSync(sessionFile(directory, goes.token))
  expect(entriesIn(directory)).toHaveLength(2)
  expect(await listed(store)).toEqual([stays.token])
  expect(entriesIn(directory)).toHaveLength(1)
})

it('entries of sessions that ended go with the next cleanup, and a user without any', async () => {
  const directory = temporaryFolder()
  const store = open(directory, 50)
  const { token } = await store.create(record('bob'))
  const expired = await store.create({ ...record(), expiresAt: Date.now() + 20 })
  const killed = await store.create(record())
  rmSync(sessionFile(directory, killed.token))
  await expect.poll(() => entriesIn(directory).length, { timeout: 10_000 }).toBe(1)
  expect(await store.load(expired.token)).toBeNull()
  await store.destroy(token)
  const old = new Date(Date.now() - 120_000)
  for (const name of readdirSync(join(directory, 'users'), { recursive: true }))
    if (String(name).endsWith('ended')) utimesSync(join(directory, 'users', String(name)), old, old)
  const left = () =>
    readdirSync(join(directory, 'users'), { recursive: true, withFileTypes: true }).filter(each =>
      each.isFile(),
    )
  await expect.poll(left, { timeout: 10_000 }).toEqual([])
})
