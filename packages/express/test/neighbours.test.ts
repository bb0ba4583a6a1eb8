// What applications mount beside their sessions, the real packages.
import { openSessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/express'
import compression from 'compression'
import { csrfSync } from 'csrf-sync'
import type { Express, RequestHandler } from 'express'
import { rateLimit } from 'express-rate-limit'
import helmet from 'helmet'
import multer from 'multer'
import supertest from 'supertest'
import { describe, expect, onTestFinished, test } from 'vitest'
import { frameworks } from './frameworks.ts'

declare module '@sojourn/core' {
  interface SessionData {
    csrfToken?: string | null | undefined
    uploads?: string[]
    visits?: number
  }
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'
const large = 'compressible '.repeat(10_000)

async function openSession(): Promise<RequestHandler> {
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent })
  onTestFinished(() => sessions.close())
  return session(sessions)
}

/** Counts in the session, then answers with it. */
const count: RequestHandler = (req, res) => {
  req.session.visits = (req.session.visits ?? 0) + 1
  res.json({ visits: req.session.visits })
}

const signIn: RequestHandler = (req, res, next) => {
  const userId = String(req.query.user)
  req.session.regenerate({ userId }).then(() => res.json({ userId }), next)
}

describe.each(frameworks)('on %s', (_name, express) => {
  const visitors = (app: Express, count: number) => Array.from({ length: count }, () => supertest.agent(app))

  test('an agent of supertest keeps its session, and no other one', async () => {
    const app = express().use(await openSession())
    app.get('/', count)
    const [ada, bob] = visitors(app, 2)
    await ada?.get('/').expect({ visits: 1 })
    await ada?.get('/').expect({ visits: 2 })
    await bob?.get('/').expect({ visits: 1 })
  })

  test('csrf-sync keeps its token in the session: only who has it may post, also after the sign-in', async () => {
    const { csrfSynchronisedProtection, generateToken, revokeToken } = csrfSync()
    const app = express().use(await openSession(), csrfSynchronisedProtection)
    app.get('/token', (req, res) => void res.json(generateToken(req)))
    app.post('/sign-in', signIn)
    app.post('/revoke', (req, res) => {
      revokeToken(req)
      res.json('revoked')
    })
    app.post('/', count)
    const [ada, eve] = visitors(app, 2)
    const { body: token } = await supertest.agent(app).get('/token')
    await ada?.post('/').expect(403)
    const { body: own } = (await ada?.get('/token')) ?? {}
    await ada?.post('/').set('x-csrf-token', token).expect(403)
    await ada?.post('/').set('x-csrf-token', own).expect(200, { visits: 1 })
    await ada?.post('/sign-in?user=ada').set('x-csrf-token', own).expect(200)
    await ada?.post('/').set('x-csrf-token', own).expect(200, { visits: 2 })
    await eve?.post('/').set('x-csrf-token', own).expect(403)
    await ada?.post('/revoke').set('x-csrf-token', own).expect(200)
    await ada?.post('/').set('x-csrf-token', own).expect(403)
  })

  test('express-rate-limit counts by user, and who is refused keeps the session', async () => {
    const limit = rateLimit({
      limit: 2,
      windowMs: 60_000,
      keyGenerator: req => req.session.userId ?? 'visitors',
      requestPropertyName: 'limit',
    })
    const app = express().use(await openSession())
    app.post('/sign-in', signIn)
    app.get('/', limit, count)
    app.get('/free', count)
    const [ada, bob] = visitors(app, 2)
    await ada?.post('/sign-in?user=ada')
    await bob?.post('/sign-in?user=bob')
    await ada?.get('/').expect({ visits: 1 })
    await ada?.get('/').expect({ visits: 2 })
    await ada?.get('/').expect(429)
    await bob?.get('/').expect({ visits: 1 })
    await ada?.get('/free').expect({ visits: 3 })
  })

  test('helmet and the session set their headers side by side', async () => {
    const app = express().use(helmet(), await openSession())
    app.get('/', count)
    const { headers } = await supertest(app).get('/').expect(200)
    expect(headers['set-cookie']).toHaveLength(1)
    expect(headers).toMatchObject({
      'content-security-policy': expect.stringContaining("default-src 'self'"),
      'cache-control': 'no-store',
      vary: expect.stringContaining('Cookie'),
    })
  })

  test.each(['above', 'below'])(
    'compression, mounted %s, compresses what is sent or streamed once the session is stored',
    async place => {
      const mounted = [compression(), await openSession()]
      const app = express().use(place === 'above' ? mounted : mounted.reverse())
      app.get('/send', (req, res) => {
        req.session.visits = 1
        res.send(large)
      })
      app.get('/stream', (req, res) => {
        req.session.visits = 2
        res.type('text')
        for (let at = 0; at < large.length; at += 1000) res.write(large.slice(at, at + 1000))
        res.end()
      })
      app.get('/', count)
      const agent = supertest.agent(app)
      for (const path of ['/send', '/stream']) {
        const { headers, text } = await agent.get(path).expect(200)
        expect(headers['content-encoding']).toBe('gzip')
        expect(headers.vary).toMatch(/Accept-Encoding/)
        expect(headers.vary).toMatch(/Cookie/)
        expect(text === large).toBe(true)
      }
      await agent.get('/').expect({ visits: 3 })
    },
  )

  test('multer: what was uploaded is noted in the session', async () => {
    const upload = multer({ storage: multer.memoryStorage() })
    const app = express().use(await openSession())
    app.post('/', upload.single('file'), (req, res) => {
      req.session.uploads = [...(req.session.uploads ?? []), req.file?.originalname ?? '']
      res.json(req.session.uploads)
    })
    const agent = supertest.agent(app)
    await agent.post('/').attach('file', Buffer.alloc(100_000), 'a.png').expect(['a.png'])
    await agent.post('/').attach('file', Buffer.from('b'), 'b.png').expect(['a.png', 'b.png'])
  })
})
