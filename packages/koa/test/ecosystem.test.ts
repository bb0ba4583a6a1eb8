// What applications mount beside their sessions, the real packages.
import Router from '@koa/router'
import { openSessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/koa'
import Koa from 'koa'
import compress from 'koa-compress'
import { KoaPassport } from 'koa-passport'
import { Strategy } from 'passport-local'
import supertest from 'supertest'
import { expect, onTestFinished, test } from 'vitest'

declare module '@sojourn/core' {
  interface SessionData {
    picked?: string
    visits?: number
  }
}

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'
const large = 'compressible '.repeat(10_000)

async function application(...above: Koa.Middleware[]) {
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent })
  onTestFinished(() => sessions.close())
  const app = new Koa()
  for (const middleware of [...above, session(sessions)]) app.use(middleware)
  return app
}

function sessionCookie({ headers }: supertest.Response): string | undefined {
  return headers['set-cookie']?.[0]?.split(';')[0]
}

test('koa-passport with passport-local signs in and out; R3: with a new id each time, and the old one dead', async () => {
  const passport = new KoaPassport()
  passport.use(
    new Strategy((name, password, done) => done(null, password === `the password of ${name}` && name)),
  )
  passport.serializeUser((user, done) => done(null, user))
  passport.deserializeUser<Express.User>((user, done) => done(null, user))
  const app = await application()
  app.use(passport.initialize()).use(passport.session())
  const router = new Router()
  router.get('/picked', ctx => {
    ctx.session.picked = 'book'
    ctx.body = 'put'
  })
  router.get('/sign-in', passport.authenticate('local'), ctx => {
    ctx.body = ctx.state.user
  })
  router.get('/sign-out', async ctx => {
    await ctx.logout()
    ctx.body = 'bye'
  })
  router.get('/', ctx => {
    ctx.body = { user: ctx.state.user, picked: ctx.session.picked }
  })
  app.use(router.routes())
  const server = app.callback()
  const browser = supertest.agent(server)
  const before = sessionCookie(await browser.get('/picked').expect(200))
  await browser.get('/sign-in?username=ada&password=guess').expect(401)
  await browser.get('/').expect({ picked: 'book' })
  const during = sessionCookie(
    await browser.get('/sign-in').query({ username: 'ada', password: 'the password of ada' }).expect('ada'),
  )
  expect(during).not.toBe(before)
  await browser.get('/').expect({ user: 'ada' })
  await browser.get('/sign-out').expect('bye')
  await browser.get('/').expect({})
  for (const cookie of [before, during]) {
    await supertest(server)
      .get('/')
      .set('cookie', cookie ?? '')
      .expect({})
  }
})

test('@koa/router: its handlers and its middleware have the session, and parameters beside it', async () => {
  const router = new Router<Koa.DefaultState, Koa.Context>()
  router.use((ctx, next) => {
    ctx.session.visits = (ctx.session.visits ?? 0) + 1
    return next()
  })
  router.get('/items/:item', ctx => {
    ctx.body = { item: ctx.params.item, visits: ctx.session.visits }
  })
  const app = (await application()).use(router.routes()).use(router.allowedMethods())
  const browser = supertest.agent(app.callback())
  await browser.get('/items/1').expect({ item: '1', visits: 1 })
  await browser.get('/items/2').expect({ item: '2', visits: 2 })
  await browser.post('/items/2').expect(405)
})

test.each(['above', 'below'])(
  'koa-compress, mounted %s, compresses what is sent once the session is stored',
  async place => {
    const app = await application(...(place === 'above' ? [compress()] : []))
    if (place === 'below') app.use(compress())
    app.use(ctx => {
      ctx.session.visits = (ctx.session.visits ?? 0) + 1
      ctx.body = `${ctx.session.visits} ${large}`
    })
    const browser = supertest.agent(app.callback())
    for (const visits of [1, 2]) {
      const { headers, text } = await browser.get('/').set('accept-encoding', 'gzip').expect(200)
      expect(headers['content-encoding']).toBe('gzip')
      expect(text === `${visits} ${large}`).toBe(true)
    }
  },
)
