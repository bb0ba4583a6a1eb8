// Every block of code on the documentation site: a program is run as pasted, what is part of one is compiled.
import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, realpath, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cookieStore } from '@sojourn/cookie'
import { memoryStore } from '@sojourn/core/memory'
import { filesystemStore } from '@sojourn/filesystem'
import { keyvStore } from '@sojourn/keyv'
import { redisStore } from '@sojourn/redis'
import { RedisServer } from '@sojourn/redis-servers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { removeApplication } from './application.ts'
import { Nginx } from './nginx-server.ts'
import { type Block, blocksIn, expand, type Page, pages, readme } from './pages.ts'
import { follow } from './readme.ts'
import { secret } from './serving.ts'

const acceptance = join(import.meta.dirname, '..')
const tsc = join(acceptance, '..', '..', 'node_modules', '.bin', 'tsc')

const isProgram = ({ code }: Block) => /^\/\/ \S+\.mjs$/m.test(code)
const isPart = (block: Block) => /^[jt]s$/.test(block.language) && !isProgram(block)
const isShell = ({ language }: Block) => language === 'sh' || language === 'console'

/** A folder with all packages at hand, ours as they are built. */
async function project(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'sojourn-docs-')))
  onTestFinished(() => removeApplication(folder))
  await symlink(join(acceptance, 'node_modules'), join(folder, 'node_modules'), 'dir')
  return folder
}

function page(name: string): Page {
  const found = pages.find(each => each.name === name)
  if (found === undefined) throw new Error(`there is no ${name}`)
  return found
}

function ownBlock(name: string, language: string): string {
  const [block] = page(name).own.filter(each => each.language === language)
  if (block === undefined) throw new Error(`${name} has no block of ${language}`)
  return block.code
}

it('every block of code is one that these tests run or compile', () => {
  const others = pages.flatMap(({ name, own }) =>
    own
      .filter(({ language }) => !['', 'js', 'ts', 'sh', 'console', 'ini', 'nginx'].includes(language))
      .map(({ language }) => `${name}: ${language}`),
  )
  expect(others).toEqual([])
})

it('every page has what it includes, and benchmarks/index.md includes all benchmarks', () => {
  for (const each of pages) expect(expand(each)).not.toContain('@include')
  const benchmarks = pages.filter(({ name }) => /^benchmarks\/(?!index)/.test(name))
  const text = expand(page('benchmarks/index.md'))
  for (const each of benchmarks) expect(text).toContain(each.text)
})

describe('runs as pasted:', () => {
  const withPrograms = pages.filter(({ own }) => own.some(isShell))

  it.each(withPrograms.map(each => [each.name, each] as const))('%s', async (_name, each) => {
    const text = expand(each)
    const redis = await RedisServer.start()
    onTestFinished(() => redis.stop())
    // What is installed is at hand already.
    const instead = { 'localhost:6379': `127.0.0.1:${redis.port}`, 'npm install': ':', 'npm uninstall': ':' }
    await follow(text, await project(), instead)
  })

  it.each(withPrograms.map(each => [each.name, each] as const))(
    '%s installs what it imports',
    (_name, each) => {
      const text = expand(each)
      const installs = [...text.matchAll(/^npm (?:un)?install (.*)$/gm)]
      const named = installs.flatMap(([, names = '']) => names.split(' '))
      const programs = blocksIn(text).filter(isProgram)
      const imports = programs.flatMap(({ code }) => [
        ...code.matchAll(/^import .* from '(@[\w-]+\/[\w-]+|[\w-]+)(?:\/[\w-]+)?'$/gm),
      ])
      for (const [, name] of imports) expect(named).toContain(name)
    },
  )
})

it('every part of a program compiles', async () => {
  const folder = await project()
  await cp(join(import.meta.dirname, 'fixtures', 'docs', 'given.ts'), join(folder, 'given.mts'))
  const files = ['given.mts']
  for (const { name, own } of [...pages, readme]) {
    for (const [index, { code }] of own.filter(isPart).entries()) {
      const file = `part-${name.replace(/\W+/g, '-')}-${index + 1}.mts`
      await writeFile(join(folder, file), `${code}\nexport {}\n`)
      files.push(file)
    }
  }
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--target', 'es2023']
  const command = [...options, '--module', 'nodenext', '--types', 'node', ...files]
  await promisify(execFile)(tsc, command, { cwd: folder }).catch(({ stdout }) => {
    throw new Error(stdout)
  })
})

it('operating.md: a Redis with this configuration has nothing to be warned of', async () => {
  const lines = ownBlock('operating.md', 'ini').split('\n')
  const options = lines.filter(line => /^\w/.test(line)).map(line => line.split(' '))
  const redis = await RedisServer.start(...options.flatMap(([name, value = '']) => [`--${name}`, value]))
  onTestFinished(() => redis.stop())
  const store = redisStore(redis.url)
  onTestFinished(() => store.close())
  expect((await store.health()).warnings).toEqual([])
})

it('troubleshooting.md: nginx starts with this configuration', async () => {
  const [, directives = ''] = /proxy_pass \S+;\n(.*)\}/s.exec(ownBlock('troubleshooting.md', 'nginx')) ?? []
  expect(directives).toContain('X-Forwarded-Proto')
  await (await Nginx.start([9], directives)).stop()
})

it('troubleshooting.md says what to do about every error that there is', async () => {
  const errors = await readFile(join(acceptance, '..', '..', 'packages', 'core', 'src', 'errors.ts'), 'utf8')
  const codes = new Set(errors.match(/ERR_SESSION_[A-Z_]+[A-Z]/g))
  expect(codes.size).toBeGreaterThan(8)
  for (const code of codes) expect(page('troubleshooting.md').text).toContain(`| \`${code}\` |`)
})

it('stores/index.md says of each store what it says itself', async () => {
  const directory = join(await project(), 'sessions')
  const stores = [
    filesystemStore({ directory }),
    redisStore('redis://127.0.0.1:9'),
    cookieStore({ secret }),
    keyvStore(new Map(), { sharedAcrossProcesses: true }),
    memoryStore(),
  ]
  onTestFinished(() => Promise.all(stores.map(store => store.close())).then(() => undefined))
  const rows = [...page('stores/index.md').text.matchAll(/^\| [^|]*\(`(\w+)`\) \|(.*)\|$/gm)]
  expect(rows).toHaveLength(5)
  for (const [, ability = '', cells = ''] of rows) {
    const said = cells.split('|').map(cell => cell.trim().startsWith('yes'))
    const supported = stores.map(store =>
      Object.entries(store.supports).some(([name, is]) => name === ability && is),
    )
    expect(said, ability).toEqual(supported)
  }
})
