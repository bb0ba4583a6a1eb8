import { once } from 'node:events'
import { createServer } from 'node:http'
import { openSessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/express'
import flash from 'connect-flash'
import type { Express as Application } from 'express'
import { Passport } from 'passport'
import { Strategy } from 'passport-local'
import { describe, expect, onTestFinished, test } from 'vitest'
import { frameworks } from './frameworks.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

declare global {
  namespace Express {
    interface User {
      readonly name: string
    }
  }
}

type Framework = (typeof frameworks)[number][1]

/** Somebody with a browser, at a site that serves this application under sessions. */
async function visit(express: Framework, build: (app: Application) => void) {
  const secret = 'a secret of the tests, long enough for production'
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent })
  const app = express().use(session(sessions), express.json())
  build(app)
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
    await sessions.close()
  })
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
  const browser = {
    cookie: '',
    async post(path: string, body: object = {}) {
      const headers = { 'content-type': 'application/json', cookie: browser.cookie }
      const response = await fetch(url + path, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
        redirect: 'manual',
      })
      const [set] = response.headers.getSetCookie()
      if (set !== undefined) browser.cookie = set.split(';')[0] ?? ''
      const text = await response.text()
      return { status: response.status, body: response.ok ? JSON.parse(text) : text }
    },
  }
  return browser
}

describe.each(frameworks)('Passport on %s', (_name, framework) => {
  const signIn = (name: string) => ({ username: name, password: `the password of ${name}` })

  const open = (keepSessionInfo: boolean) =>
    visit(framework, app => {
      const passport = new Passport()
      passport.use(
        new Strategy((name, password, done) =>
          done(null, password === `the password of ${name}` && { name }),
        ),
      )
      passport.serializeUser((user, done) => done(null, user.name))
      passport.deserializeUser((name: string, done) => done(null, { name }))
      app.use(passport.initialize(), passport.session())
      app.post('/sign-in', passport.authenticate('local', { keepSessionInfo }), (req, res) => {
        res.json(req.user)
      })
      app.post('/sign-out', (req, res, next) => {
        req.logout({ keepSessionInfo }, error => (error ? next(error) : res.json('bye')))
      })
      app.post('/put', (req, res) => {
        Object.assign(req.session, req.body)
        res.json('put')
      })
      app.post('/', (req, res) => {
        res.json({ user: req.user?.name, ...req.session, passport: undefined })
      })
    })

  test('signs in and out; R3: with a new id each time, and the old one dead', async () => {
    const browser = await open(false)
    await browser.post('/put', { basket: 'book' })
    const before = browser.cookie
    expect((await browser.post('/sign-in', signIn('ada'))).body).toEqual({ name: 'ada' })
    const during = browser.cookie
    expect(during).not.toBe(before)
    expect((await browser.post('/')).body).toEqual({ user: 'ada' })
    expect((await browser.post('/sign-out')).body).toBe('bye')
    for (const cookie of [browser.cookie, before, during]) {
      browser.cookie = cookie
      expect((await browser.post('/')).body).toEqual({})
    }
  })

  test('a wrong password is refused, and the visitor stays who he is', async () => {
    const browser = await open(false)
    expect((await browser.post('/sign-in', { username: 'ada', password: 'guess' })).status).toBe(401)
    expect((await browser.post('/')).body).toEqual({})
  })

  test('who signs in next finds nothing of who signed out', async () => {
    const browser = await open(false)
    await browser.post('/sign-in', signIn('ada'))
    await browser.post('/put', { card: '1234' })
    await browser.post('/sign-out')
    expect((await browser.post('/')).body).toEqual({})
    await browser.post('/sign-in', signIn('eve'))
    expect((await browser.post('/')).body).toEqual({ user: 'eve' })
  })

  test('keepSessionInfo keeps what was there before', async () => {
    const browser = await open(true)
    await browser.post('/put', { basket: 'book' })
    await browser.post('/sign-in', signIn('ada'))
    expect((await browser.post('/')).body).toEqual({ user: 'ada', basket: 'book' })
    await browser.post('/sign-out')
    expect((await browser.post('/')).body).toEqual({ basket: 'book' })
  })
})

describe.each(frameworks)('connect-flash on %s', (_name, framework) => {
  test('keeps messages for the next page, hands them out by kind or all at once, and forgets them', async () => {
    const browser = await visit(framework, app => {
      app.use(flash())
      app.post('/say', (req, res) => {
        req.flash('info', 'saved')
        req.flash('info', 'really')
        req.flash('warn', 'but')
        res.json('said')
      })
      app.post('/info', (req, res) => res.json(req.flash('info')))
      app.post('/all', (req, res) => res.json(req.flash()))
    })
    await browser.post('/say')
    expect((await browser.post('/info')).body).toEqual(['saved', 'really'])
    expect((await browser.post('/info')).body).toEqual([])
    expect((await browser.post('/all')).body).toEqual({ warn: ['but'] })
    await browser.post('/say')
    expect((await browser.post('/all')).body).toEqual({ info: ['saved', 'really'], warn: ['but'] })
    expect((await browser.post('/all')).body).toEqual({})
  })
})
