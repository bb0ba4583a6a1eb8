// A site moves from express-session to Sojourn while people are signed in: sessions made by the real packages.
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener, type Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSessions, type SessionStore } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/express'
import { type ExpressSessionStore, formerExpressSessions } from '@sojourn/express-session'
import { filesystemStore } from '@sojourn/filesystem'
import { session as koaSession } from '@sojourn/koa'
import { redisStore } from '@sojourn/redis'
import { RedisServer } from '@sojourn/redis-servers'
import express from 'express'
import Koa from 'koa'
import supertest from 'supertest'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

declare module '@sojourn/core' {
  interface SessionData {
    theme?: string
  }
}

// Their types say of Express' requests what ours say otherwise.
const require = createRequire(import.meta.url)
const expressSession = require('express-session')

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const formerSecret = 'the secret that express-session had'

const folders: string[] = []
let redis: RedisServer
beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(() => redis?.stop())

const stores = {
  async 'connect-redis'(): Promise<ExpressSessionStore> {
    const client = require('redis').createClient({ url: redis.url })
    await client.connect()
    onTestFinished(() => client.destroy())
    const { RedisStore } = require('connect-redis')
    return new RedisStore({ client })
  },
  async 'session-file-store'(): Promise<ExpressSessionStore> {
    const path = await mkdtemp(join(tmpdir(), 'sojourn-file-store-'))
    onTestFinished(() => rm(path, { recursive: true }))
    folders.push(path)
    const FileStore = require('session-file-store')(expressSession)
    return new FileStore({ path, retries: 0, reapInterval: -1, logFn: () => undefined })
  },
}

/** Of every record the last character is lost. */
async function damage(): Promise<void> {
  for (const path of folders.filter(each => existsSync(each)))
    for (const name of readdirSync(path)) {
      const file = join(path, name)
      writeFileSync(file, readFileSync(file).subarray(0, -1))
    }
  for (const key of (await redis.command('KEYS', 'sess:*')).split('\n').filter(Boolean))
    await redis.command('SET', key, (await redis.command('GET', key)).slice(0, -1))
}

/** The site before. */
function before(store: ExpressSessionStore, cookie: object = {}): RequestListener {
  const app = express()
  app.use(expressSession({ store, secret: formerSecret, resave: false, saveUninitialized: false, cookie }))
  app.get('/sign-in', (req, res) => {
    Object.assign(req.session, { theme: 'dark', passport: { user: 'ada' } })
    res.json('welcome')
  })
  app.get('/', (req, res) => void res.json(Reflect.get(req.session, 'passport') ?? 'nobody'))
  return app
}

/** The site after, and how many sessions it has. */
async function after(
  store: ExpressSessionStore,
  ours: SessionStore = memoryStore(),
): Promise<{ express: RequestListener; koa: RequestListener }> {
  const userId = ({ passport }: Record<string, unknown>) =>
    typeof passport === 'object' && passport !== null && 'user' in passport
      ? String(passport.user)
      : undefined
  const takeOver = formerExpressSessions({ store, secret: ['a newer one', formerSecret], userId })
  const secret = 'a secret of the tests, long enough for production'
  const sessions = await openSessions({ store: ours, secret, takeOver, env: {}, logger })
  onTestFinished(() => sessions.close())
  const app = express().use(session(sessions))
  app.get('/sign-in', async (req, res) => {
    await req.session.regenerate({ userId: 'ada' })
    res.json('welcome')
  })
  app.get('/sign-out', async (req, res) => {
    await req.session.destroy()
    res.json('bye')
  })
  app.get('/', (req, res) => void res.json([req.session.userId ?? 'nobody', req.session.theme ?? 'none']))
  const koa = new Koa().use(koaSession(sessions))
  koa.use(ctx => {
    ctx.body = [ctx.session.userId ?? 'nobody', ctx.session.theme ?? 'none']
  })
  return { express: app, koa: koa.callback() }
}

/** What is stored in the folder of sessions in there. */
function sessionsIn(directory: string): number {
  const entries = readdirSync(join(directory, 'sessions', 'index-v5'), {
    recursive: true,
    withFileTypes: true,
  })
  return entries.filter(entry => entry.isFile()).length
}

/** One address, at which the site is exchanged. */
async function address(): Promise<{ url: string; serve: (site: RequestListener) => void }> {
  const server: Server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  const serve = (site: RequestListener) => void server.removeAllListeners('request').on('request', site)
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, serve }
}

describe.each(Object.entries(stores))('from express-session with %s', (_name, open) => {
  test('nobody is signed out, sign-out holds, and a forged cookie is nobody', async () => {
    const { url, serve } = await address()
    const store = await open()
    const [browser, thief] = [supertest.agent(url), supertest.agent(url)]
    serve(before(store))
    const [old = ''] = (await browser.get('/sign-in')).headers['set-cookie'] ?? []
    serve((await after(store)).express)
    const first = await browser.get('/').expect(200)
    expect(first.body).toEqual(['ada', 'dark'])
    expect(first.headers['set-cookie']).toEqual([expect.stringMatching(/^sid=/)])
    await browser.get('/').expect(['ada', 'dark'])
    const stolen = old.split(';')[0] ?? ''
    await thief.get('/').set('cookie', stolen.replace(/.{3}$/, 'abc')).expect(['nobody', 'none'])
    await browser.get('/sign-out').expect(200)
    await browser.get('/').expect(['nobody', 'none'])
    await thief.get('/').set('cookie', stolen).expect(['nobody', 'none'])
    // The old site does not know it either.
    serve(before(store))
    await thief.get('/').set('cookie', stolen).expect('"nobody"')
  })

  test('a record that is damaged is nobody, who can sign in anew', async () => {
    const { url, serve } = await address()
    const store = await open()
    const browser = supertest.agent(url)
    serve(before(store))
    await browser.get('/sign-in').expect(200)
    await damage()
    serve((await after(store)).express)
    await browser.get('/').expect(200, ['nobody', 'none'])
    await browser.get('/sign-in').expect(200)
    await browser.get('/').expect(200, ['ada', 'none'])
  })

  test('a page whose requests all come first at the same time is one session, also on Koa', async () => {
    const { url, serve } = await address()
    const store = await open()
    const browser = supertest.agent(url)
    serve(before(store, { maxAge: 3_600_000 }))
    const [old = ''] = (await browser.get('/sign-in')).headers['set-cookie'] ?? []
    serve((await after(store)).koa)
    const cookie = old.split(';')[0] ?? ''
    const replies = await Promise.all(
      Array.from({ length: 8 }, () => supertest(url).get('/').set('cookie', cookie)),
    )
    for (const { body } of replies) expect(body).toEqual(['ada', 'dark'])
    const cookies = replies.flatMap(({ headers }) => headers['set-cookie'] ?? [])
    expect(new Set(cookies.map(each => each.split(';')[0])).size).toBe(1)
    // It outlives the browser, as the old one did.
    for (const each of cookies) expect(each).toMatch(/; Max-Age=3[56]\d\d/)
  })
})

test('C4 I1: 30 first requests in flight, a sign-out among them, 20 times: the session does not come back', async () => {
  const { url, serve } = await address()
  const store = await stores['connect-redis']()
  const outcomes: string[] = []
  for (let round = 0; round < 20; round++) {
    serve(before(store))
    const [old = ''] = (await supertest(url).get('/sign-in')).headers['set-cookie'] ?? []
    const cookie = old.split(';')[0] ?? ''
    serve((await after(store, redisStore(redis.url))).express)
    const ask = (path: string) => supertest(url).get(path).set('cookie', cookie)
    const asked = Array.from({ length: 30 }, (_, at) => ask(at === round ? '/sign-out' : '/'))
    for (const { status } of await Promise.all(asked)) expect(status).toBe(200)
    outcomes.push((await ask('/')).body[0])
  }
  expect(new Set(outcomes)).toEqual(new Set(['nobody']))
})

test('of 80 visitors who are taken over on the filesystem, with a threshold of 100, none is signed out', async () => {
  const { url, serve } = await address()
  const store = await stores['session-file-store']()
  serve(before(store))
  const cookies: string[] = []
  for (let visitor = 0; visitor < 80; visitor++) {
    const [old = ''] = (await supertest(url).get('/sign-in')).headers['set-cookie'] ?? []
    cookies.push(old.split(';')[0] ?? '')
  }
  const directory = await mkdtemp(join(tmpdir(), 'sojourn-migration-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const ours = filesystemStore({ directory: join(directory, 'sessions'), threshold: 100, logger })
  serve((await after(store, ours)).express)
  const theirs: string[] = []
  for (const old of cookies) {
    const { body, headers } = await supertest(url).get('/').set({ cookie: old })
    expect(body).toEqual(['ada', 'dark'])
    theirs.push(headers['set-cookie']?.[0]?.split(';')[0] ?? '')
  }
  // The threshold was passed: what had to go is gone.
  await expect.poll(() => sessionsIn(directory)).toBeLessThanOrEqual(100)
  for (const cookie of theirs) await supertest(url).get('/').set({ cookie }).expect(['ada', 'dark'])
})
