import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { openSessions } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'
import { chooseStore } from '../src/select-store.ts'
import type { Environment } from '../src/settings.ts'
import type { SessionStore } from '../src/store.ts'

const { argv } = process
afterEach(() => {
  process.argv = argv
})

const url = 'redis://localhost'

describe('chooseStore', () => {
  test.each<[string | undefined, Environment, string, string]>([
    ['redis', { SESSION_STORE: 'cookie' }, 'redis', 'the store option'],
    ['some-package', {}, 'some-package', 'the store option'],
    [undefined, { SESSION_STORE: 'cookie', REDIS_URL: url }, 'cookie', 'SESSION_STORE'],
    [undefined, { SESSION_STORE: '@acme/store', NODE_ENV: 'test' }, '@acme/store', 'SESSION_STORE'],
    [undefined, { SESSION_REDIS_URL: url, REDIS_URL: url }, 'redis', 'SESSION_REDIS_URL is set'],
    [undefined, { REDIS_URL: url }, 'redis', 'REDIS_URL is set'],
    [undefined, { REDIS_URL: url, NODE_ENV: 'test' }, 'redis', 'REDIS_URL is set'],
    [undefined, { SESSION_REDIS_CLUSTER: 'a:1', REDIS_URL: url }, 'redis', 'SESSION_REDIS_CLUSTER is set'],
    [
      undefined,
      { SESSION_REDIS_SENTINEL: 'm@a:1', REDIS_URL: url },
      'redis',
      'SESSION_REDIS_SENTINEL is set',
    ],
    [undefined, { NODE_ENV: 'test' }, 'cookie', 'under test: NODE_ENV=test'],
    [undefined, { VITEST: 'true' }, 'cookie', 'under test: Vitest'],
    [undefined, { JEST_WORKER_ID: '1' }, 'cookie', 'under test: Jest'],
    [undefined, { NODE_TEST_CONTEXT: 'child-v8' }, 'cookie', 'under test: node:test'],
    [undefined, {}, 'filesystem', 'no Redis URL is set'],
    [undefined, { NODE_ENV: 'production' }, 'filesystem', 'no Redis URL is set'],
    [undefined, { SESSION_STORE: '', REDIS_URL: '' }, 'filesystem', 'no Redis URL is set'],
    ['', {}, 'filesystem', 'no Redis URL is set'],
  ])('option %j, %j: %s, because of %s', (asked, env, name, reason) => {
    expect(chooseStore(asked, env)).toEqual({ name, reason })
  })

  test.each([
    ['/app/node_modules/mocha/bin/_mocha', 'cookie'],
    ['/app/node_modules/.bin/mocha', 'cookie'],
    ['C:\\app\\node_modules\\mocha\\bin\\mocha.js', 'cookie'],
    ['/app/mocha-shop/server.js', 'filesystem'],
    ['/app/notmocha.js', 'filesystem'],
  ])('a process that runs %s: %s', (script, name) => {
    process.argv = [process.execPath, script]
    expect(chooseStore(undefined, {}).name).toBe(name)
  })
})

describe('openSessions', () => {
  const secret = 'a secret of the tests, long enough for production'
  const logTo = (log: string[]) => {
    const note = (message: string) => log.push(message)
    return { info: note, warn: note, error: note }
  }

  test('says in one line what was chosen, and why', async () => {
    const log: string[] = []
    const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: logTo(log) })
    await sessions.close()
    expect(log).toContain('Session storage initialized: memory (the store option)')
  })

  test('what is no setting has no effect, and the log says so', async () => {
    const log: string[] = []
    const options: object = { idelTimeout: 1, cookie: { maxAge: 1 }, idleTimeout: 60_000 }
    const sessions = await openSessions({ ...options, store: memoryStore(), secret, logger: logTo(log) })
    await sessions.close()
    expect(log.filter(line => line.includes('no effect'))).toEqual([
      'There is no session setting idelTimeout: it has no effect.',
      'There is no session setting cookie.maxAge: it has no effect.',
    ])
  })

  test.each([{}, null, { get: () => undefined }])('a store that is none is refused: %j', async store => {
    await expect(openSessions({ store: store as never, secret, env: {} })).rejects.toMatchObject({
      code: 'ERR_SESSION_SETTING',
      message: expect.stringContaining('The session setting store'),
    })
  })

  test('SESSION_STORE=memory works, and warns', async () => {
    const log: string[] = []
    const sessions = await openSessions({ secret, env: { SESSION_STORE: 'memory' }, logger: logTo(log) })
    await sessions.close()
    expect(log).toContain('Session storage initialized: memory (SESSION_STORE)')
    expect(log.join()).toContain('SESSION_STORE=filesystem or redis')
  })

  test('a package that is not installed is an error that says what to install', async () => {
    const opening = openSessions({ secret, env: { SESSION_STORE: '@acme/no-such-store' }, logger: logTo([]) })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_SESSION_STORE_MISSING',
      message: expect.stringContaining('npm install @acme/no-such-store'),
    })
  })

  test('a package that is no store is an error that says so', async () => {
    const opening = openSessions({ secret, env: { SESSION_STORE: 'cookie-signature' }, logger: logTo([]) })
    await expect(opening).rejects.toMatchObject({
      code: 'ERR_SESSION_STORE_MISSING',
      message: expect.stringContaining('cookie-signature exports no openStore'),
    })
  })

  test.each([
    ['for require and import', './index.js'],
    ['for import alone', { import: './index.js' }],
  ])('a package of a third party plugs in: one that exports %s', async (_how, main) => {
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-third-party-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const home = join(folder, 'node_modules', 'their-store')
    mkdirSync(home, { recursive: true })
    writeFileSync(join(home, 'package.json'), JSON.stringify({ type: 'module', exports: { '.': main } }))
    const memory = JSON.stringify(pathToFileURL(join(import.meta.dirname, '../src/memory.ts')))
    writeFileSync(join(home, 'index.js'), `export { openStore } from ${memory}`)
    process.argv = [process.execPath, join(folder, 'server.js')]
    const sessions = await openSessions({ secret, env: { SESSION_STORE: 'their-store' }, logger: logTo([]) })
    expect(sessions.store.name).toBe('memory')
    await sessions.close()
  })

  test('settings that a given store can not know of are warned of', async () => {
    const log: string[] = []
    const sessions = await openSessions({
      store: memoryStore(),
      secret,
      env: {},
      logger: logTo(log),
      threshold: 5,
      keyPrefix: 'shop:',
    })
    await sessions.close()
    expect(log.join()).toContain('threshold has no effect')
    expect(log.join()).toContain('keyPrefix has no effect')
  })

  test.each<[string, () => Promise<void>]>([
    ['hangs as well', () => new Promise(() => undefined)],
    ['rejects', () => Promise.reject(new Error('it was never open'))],
  ])(
    'a store whose health hangs fails the start in time, with that, also if its close %s',
    async (_, close) => {
      const store = Object.assign(memoryStore(), { health: () => new Promise(() => undefined), close })
      const opening = openSessions({
        store: store as SessionStore,
        secret,
        env: {},
        logger: logTo([]),
        storeTimeout: 50,
      })
      await expect(opening).rejects.toMatchObject({
        code: 'ERR_SESSION_STORE_UNAVAILABLE',
        reason: 'timeout',
      })
    },
  )

  test('an unknown fallback is refused', async () => {
    const env = { SESSION_STORE: 'memory', SESSION_FALLBACK: 'cookie' }
    await expect(openSessions({ secret, env, logger: logTo([]) })).rejects.toMatchObject({
      code: 'ERR_SESSION_SETTING',
    })
  })

  test('health asks the store, within storeTimeout', async () => {
    const store = memoryStore()
    const sessions = await openSessions({ store, secret, env: {}, logger: logTo([]), storeTimeout: 20 })
    expect(await sessions.health()).toMatchObject({ store: 'memory', reachable: true })
    store.health = () => new Promise(() => undefined)
    expect(await sessions.health()).toMatchObject({ store: 'memory', reachable: false })
    await sessions.close()
  })
})
