import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { KeyvCacache } from '@sojourn/filesystem'
import type { Medium } from '@sojourn/http-conformance'
import { RedisServer } from '@sojourn/redis-servers'
import { afterAll, beforeAll } from 'vitest'

/** A medium that this library's settings name, as an operator would, and that can be looked into from outside. */
export interface OutsideMedium extends Medium {
  readonly keep: { readonly env: Record<string, string> }
  /** The stored texts by key, where there are any. */
  readonly texts?: Texts
}

interface Texts {
  read(key: string): Promise<string>
  write(key: string, text: string): Promise<unknown>
}

/** One of the stores that operators can choose. */
export interface Kind {
  readonly name: string
  /** False where a copy of a cookie can't be taken back, because there is no server side. */
  readonly revokes: boolean
  /** One that is empty, and nobody else's. */
  newMedium(): OutsideMedium
}

let redis: RedisServer
let databases = 0
const folders: string[] = []

beforeAll(async () => {
  redis = await RedisServer.start('--databases', '1000')
})

afterAll(async () => {
  await redis?.stop()
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

function redisMedium(): OutsideMedium {
  const database = String(databases++)
  const run = (...words: string[]) => redis.command('-n', database, ...words)
  return {
    keep: { env: { SESSION_STORE: 'redis', REDIS_URL: `${redis.url}/${database}` } },
    stored: async () => (await run('KEYS', '*')).split('\n').filter(isNoIndex).sort(),
    texts: { read: key => run('GET', key), write: (key, text) => run('SET', key, text) },
  }
}

/** Whose sessions there are is told by listing them. */
function isNoIndex(key: string): boolean {
  return key !== '' && !/^session:user:[\w-]{43}$/.test(key)
}

function folderMedium(): OutsideMedium {
  const outside = mkdtempSync(join(tmpdir(), 'sojourn-security-'))
  folders.push(outside)
  const directory = join(outside, 'project', 'sessions')
  const keyv = new KeyvCacache({ directory })
  return {
    keep: { env: { SESSION_STORE: 'filesystem', SESSION_DIR: directory } },
    stored: async () => namesBelow(outside, directory),
    texts: { read: async key => String(await keyv.get(key)), write: (key, text) => keyv.set(key, text) },
    end: () => void keyv.disconnect(),
  }
}

/** The keys of the sessions in the folder, and whatever else lies in it or around it, by its path. */
function namesBelow(outside: string, directory: string): string[] {
  const files = readdirSync(outside, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  const paths = files.map(({ parentPath, name }) => join(parentPath, name))
  const names = paths.map(path => {
    const inside = relative(directory, path)
    if (/^users\/[0-9a-f]{2}\/[0-9a-f]{62}\/([0-9a-f]{64}|sign-ins|ended)$/.test(inside)) return undefined
    if (inside.startsWith('index-v5')) return keyIn(readFileSync(path, 'utf8'))
    if (/^used-by\/[\w.%-]+$/.test(inside)) return undefined
    return ['lock', 'created', 'destroyed'].includes(inside) ? undefined : path
  })
  return names.filter(name => name !== undefined).sort()
}

/** Of the last line of a bucket: `<checksum>\t{"key":"...",...}`. */
function keyIn(bucket: string): string {
  return JSON.parse(bucket.slice(bucket.lastIndexOf('\t'))).key
}

function cookieMedium(env: Record<string, string> = {}): OutsideMedium {
  return { keep: { env: { SESSION_STORE: 'cookie', ...env } }, stored: async () => [] }
}

export const kinds: readonly Kind[] = [
  { name: 'redis', revokes: true, newMedium: redisMedium },
  { name: 'filesystem', revokes: true, newMedium: folderMedium },
  { name: 'signed cookie', revokes: false, newMedium: () => cookieMedium() },
  { name: 'sealed cookie', revokes: false, newMedium: () => cookieMedium({ SESSION_COOKIE_SEALED: '1' }) },
]
