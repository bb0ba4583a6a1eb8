// A release from beginning to end, to a registry on this machine, and what a newcomer does with it.
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { RedisServer } from '@sojourn/redis-servers'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { readmeProgram, removeApplication, start } from './application.ts'
import { follow } from './readme.ts'
import { changeset, copyOfRepository, publishedFolders, Registry } from './registry.ts'
import { npm } from './tarballs.ts'

const root = join(import.meta.dirname, '..', '..', '..')
const readmes = (await publishedFolders(root)).map(folder => basename(folder))

let registry: Registry
let repository: string
let redis: RedisServer

beforeAll(async () => {
  ;[registry, redis] = await Promise.all([Registry.start(), RedisServer.start()])
  repository = await copyOfRepository(registry)
  await changeset(repository, 'version')
  await changeset(repository, 'publish', '--no-git-tag')
}, 120_000)

afterAll(async () => {
  await Promise.all([registry?.stop(), redis?.stop()])
  if (repository !== undefined) await rm(repository, { recursive: true })
})

async function emptyProject(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sojourn-newcomer-')))
  onTestFinished(() => removeApplication(folder))
  await writeFile(join(folder, '.npmrc'), `${registry.npmrc}audit=false\nfund=false\nprefer-offline=true\n`)
  return folder
}

it('every package has the same version, and a changelog that says so to its users', async () => {
  const versions = new Set<string>()
  for (const folder of await publishedFolders(repository)) {
    const { version } = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8'))
    versions.add(version)
    const changelog = await readFile(join(folder, 'CHANGELOG.md'), 'utf8')
    expect(changelog).toContain(`\n## ${version}\n`)
    // No hash of a commit.
    expect(changelog).not.toMatch(/\b[0-9a-f]{7,40}\b/)
  }
  expect([...versions]).toEqual([expect.stringMatching(/^\d+\.\d+\.\d+$/)])
})

it('a newcomer with a REDIS_URL is told which package to install, installs it, and is signed in', async () => {
  const folder = await emptyProject()
  await npm(['install', '@sojourn/core', '@sojourn/express'], folder)
  await writeFile(join(folder, 'server.mjs'), await readmeProgram())
  const command = [process.execPath, 'server.mjs'] as const
  const missing = await start(folder, command, { REDIS_URL: redis.url }).catch(String)
  const [, advice = ''] = /Run: npm (install @sojourn\/redis)\n/.exec(String(missing)) ?? []
  expect(advice, String(missing)).not.toBe('')
  await npm(advice.split(' '), folder)
  const { url, output, stop } = await start(folder, command, { REDIS_URL: redis.url })
  onTestFinished(stop)
  expect(output()).toContain('Session storage initialized: redis')
  const { headers } = await fetch(`${url}/login`, { method: 'POST', redirect: 'manual' })
  const cookie = headers.getSetCookie()[0]?.split(';')[0] ?? ''
  expect(await (await fetch(url, { headers: { cookie } })).json()).toEqual({ userId: 'ada', theme: 'dark' })
})

describe('README', () => {
  it.each(readmes)('of %s has at most 60 lines, and runs as pasted', async name => {
    const text = await readFile(join(root, 'packages', name, 'README.md'), 'utf8')
    expect(text.split('\n').length - 1).toBeLessThanOrEqual(60)
    const folder = await emptyProject()
    // sqlite3's own binaries are downloaded from elsewhere; this one is the same with its binaries in the package.
    const overrides = { '@keyv/sqlite': { sqlite3: 'npm:@appthreat/sqlite3@^9.0.2' } }
    await writeFile(join(folder, 'package.json'), JSON.stringify({ overrides }))
    await follow(text, folder, { 'localhost:6379': `127.0.0.1:${redis.port}` })
  })
})
