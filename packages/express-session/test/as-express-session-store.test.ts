import type { SessionStore } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import express from 'express'
import session from 'express-session'
import supertest from 'supertest'
import { expect, test } from 'vitest'
import { asExpressSessionStore } from '../src/index.ts'

type Done = (error?: { status: number; code: string }) => void

/** What express-session gives a request. */
interface Visit {
  readonly session: Record<string, unknown> & Record<'save' | 'regenerate' | 'destroy', (done: Done) => void>
  readonly sessionID: string
}

function visitOf(req: object): Visit {
  if ('session' in req && 'sessionID' in req) return req as Visit
  throw new TypeError('express-session gave no session')
}

/** A site of express-session as many have it, and a request that waits in its handler. */
function site(store: SessionStore) {
  const app = express()
  const waiting: (() => void)[] = []
  app.use(
    session({
      store: asExpressSessionStore(store),
      secret: 'old',
      resave: false,
      saveUninitialized: false,
      cookie: { maxAge: 60_000 },
    }),
  )
  app.use(async (req, _res, next) => {
    if (req.query.wait) await new Promise<void>(go => waiting.push(go))
    next()
  })
  app.get('/set', (req, res) => {
    const { session } = visitOf(req)
    session[String(req.query.key)] = req.query.value
    session.save(error => res.status(error ? error.status : 200).json(error?.code ?? 'set'))
  })
  app.get('/sign-in', (req, res, next) => {
    visitOf(req).session.regenerate(error => {
      if (error) return next(error)
      visitOf(req).session.user = 'ada'
      res.json(visitOf(req).sessionID)
    })
  })
  app.get('/sign-out', (req, res) => {
    visitOf(req).session.destroy(() => res.json('bye'))
  })
  app.get('/', (req, res) => {
    const { cookie: _cookie, ...data } = visitOf(req).session
    res.json(data)
  })
  return { browser: supertest.agent(app), waiting }
}

test('express-session keeps its sessions in a store of ours: data, sign-in, sign-out', async () => {
  const store = memoryStore()
  const { browser } = site(store)
  await browser.get('/set?key=theme&value=dark').expect(200)
  await browser.get('/').expect({ theme: 'dark' })
  const { body: id } = await browser.get('/sign-in')
  await browser.get('/').expect({ user: 'ada' })
  await browser.get('/sign-out').expect(200)
  await browser.get('/').expect({})
  expect(await store.load(id)).toBeNull()
})

test('C2: parallel requests that change different keys lose nothing, as they do with other stores', async () => {
  const { browser, waiting } = site(memoryStore())
  await browser.get('/set?key=a&value=1')
  const slow = browser.get('/set?key=b&value=1&wait=1').then(({ status }) => status)
  await expect.poll(() => waiting.length).toBe(1)
  await browser.get('/set?key=c&value=1')
  waiting[0]?.()
  expect(await slow).toBe(200)
  await browser.get('/').expect({ a: '1', b: '1', c: '1' })
})

test('C4: a request in flight does not bring a destroyed session back', async () => {
  const { browser, waiting } = site(memoryStore())
  await browser.get('/sign-in')
  const slow = browser.get('/set?key=b&value=1&wait=1').then(({ body }) => body)
  await expect.poll(() => waiting.length).toBe(1)
  await browser.get('/sign-out')
  waiting[0]?.()
  expect(await slow).toBe('ERR_SESSION_GONE')
  await browser.get('/').expect({})
})

test('a store that makes its tokens itself is refused', () => {
  const store = memoryStore()
  Object.assign(store, { supports: { ...store.supports, namedSessions: false } })
  expect(() => asExpressSessionStore(store)).toThrow(expect.objectContaining({ code: 'ERR_SESSION_SETTING' }))
})
