// Sessions in cookies that can be ended: their entries are in a real store, which several processes share.
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { testStore } from '@sojourn/conformance'
import { cookieStore } from '@sojourn/cookie'
import { openSessions, type SessionStore } from '@sojourn/core'
import { session } from '@sojourn/express'
import { filesystemStore } from '@sojourn/filesystem'
import { redisStore } from '@sojourn/redis'
import { RedisServer } from '@sojourn/redis-servers'
import express from 'express'
import supertest from 'supertest'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'
const cookieName = 'sid'

/** Tells when a slow request is under way, and when it is to go on. */
const uploads = new EventEmitter()

let redis: RedisServer
const folder = mkdtempSync(join(tmpdir(), 'sojourn-revocation-'))

beforeAll(async () => {
  redis = await RedisServer.start()
})
afterAll(async () => {
  await redis?.stop()
  rmSync(folder, { recursive: true, force: true })
})

const registers: Record<string, () => SessionStore> = {
  redis: () => redisStore(redis.url),
  filesystem: () => filesystemStore({ directory: join(folder, 'sessions'), logger }),
}

/** One of the processes of a site, as an address of its own. */
async function site(register: () => SessionStore, options: object = {}) {
  const store = cookieStore({ sealed: true, secret, cookieName, revocation: register() })
  const sessions = await openSessions({ store, secret, env: {}, logger, ...options })
  onTestFinished(() => sessions.close())
  const app = express().use(session(sessions))
  app.get('/sign-in/:device', async (req, res) => {
    req.session.filler = 'x'.repeat(Number(req.query.size ?? 1))
    await req.session.regenerate({ userId: String(req.query.user), metadata: { device: req.params.device } })
    res.json(req.session.id)
  })
  app.get('/sign-out', async (req, res) => {
    await req.session.destroy()
    res.json('bye')
  })
  app.get('/sign-out-others', async (req, res) => {
    res.json(await sessions.ofUser(req.session.userId ?? '').destroyAll({ except: req.session }))
  })
  app.get('/sign-out/:device', async (req, res) => {
    const user = sessions.ofUser(req.session.userId ?? '')
    for await (const { handle, metadata } of user.list())
      if (metadata?.device === req.params.device) res.json(await user.destroy(handle))
  })
  app.get('/devices', async (req, res) => {
    const user = sessions.ofUser(req.session.userId ?? '')
    const here = user.handleOf(req.session)
    const devices = []
    for await (const { handle, metadata } of user.list())
      devices.push(`${metadata?.device}${handle === here ? ', here' : ''}`)
    res.json(devices.sort())
  })
  app.get('/note/:text', (req, res) => {
    req.session.filler = req.params.text
    res.json(req.session.id)
  })
  app.get('/upload', async (req, res) => {
    req.session.filler = 'begun'
    await req.session.save()
    uploads.emit('saved')
    await once(uploads, 'go')
    res.json('uploaded')
  })
  app.get('/asks', async (req, res) => {
    uploads.emit('saved')
    await once(uploads, 'go')
    res.json(await req.session.update(() => 'allowed'))
  })
  app.get('/', (req, res) => void res.json(req.session.userId ?? 'nobody'))
  app.use(((error, _req, res, _next) => {
    res.status(error.status ?? 500).json(error.code)
  }) satisfies express.ErrorRequestHandler)
  return app
}

declare module '@sojourn/core' {
  interface SessionData {
    filler?: string
  }
}

describe.each(Object.entries(registers))('a cookie store whose revocation is %s', (name, register) => {
  let users = 0
  const newUser = () => `ada-${name}-${users++}`

  testStore({ describe, it }, `the sealed cookie with ${name}`, () =>
    cookieStore({ sealed: true, secret, cookieName, revocation: register() }),
  )

  it('R3 C4: signed out is signed out in every process, for copies of the cookie and for older ones', async () => {
    const [here, there] = [await site(register), await site(register)]
    const browser = supertest.agent(here)
    const first = await browser.get(`/sign-in/phone?user=${newUser()}`).expect(200)
    const changed = await browser.get('/note/2').expect(200)
    const copies = [first, changed].map(({ headers }) => headers['set-cookie']?.[0]?.split(';')[0] ?? '')
    expect(new Set(copies).size).toBe(2)
    expect(changed.body).toBe(first.body)
    for (const cookie of copies)
      expect((await supertest(there).get('/').set({ cookie })).body).not.toBe('nobody')
    await browser.get('/sign-out').expect(200)
    for (const cookie of copies) {
      await supertest(there).get('/').set({ cookie }).expect('"nobody"')
      await supertest(there).get('/note/3').set({ cookie }).expect(200)
      await supertest(there).get('/').set({ cookie }).expect('"nobody"')
    }
  })

  it('R1: after a sign-in, and after another one, the cookies of before are nobody', async () => {
    const app = await site(register)
    const browser = supertest.agent(app)
    const user = newUser()
    const anonymous = await browser.get('/note/1')
    const first = await browser.get(`/sign-in/phone?user=${user}`)
    await browser.get(`/sign-in/phone?user=${user}`)
    for (const { headers } of [anonymous, first]) {
      const cookie = headers['set-cookie']?.[0]?.split(';')[0] ?? ''
      await supertest(app).get('/').set({ cookie }).expect('"nobody"')
    }
    await browser.get('/devices').expect(['phone, here'])
  })

  it('R7: a user sees where they are signed in, ends one, and all others', async () => {
    const user = newUser()
    const [here, there] = [await site(register), await site(register)]
    const [phone, tablet, laptop] = [supertest.agent(here), supertest.agent(there), supertest.agent(there)]
    await phone.get(`/sign-in/phone?user=${user}`).expect(200)
    await tablet.get(`/sign-in/tablet?user=${user}`).expect(200)
    await laptop.get(`/sign-in/laptop?user=${user}`).expect(200)
    await supertest.agent(there).get(`/sign-in/other?user=${newUser()}`).expect(200)
    await phone.get('/devices').expect(['laptop', 'phone, here', 'tablet'])
    await phone.get('/sign-out/tablet').expect('true')
    await tablet.get('/').expect('"nobody"')
    await phone.get('/note/1').expect(200)
    await phone.get('/sign-out-others').expect('1')
    await laptop.get('/').expect('"nobody"')
    await phone.get('/devices').expect(['phone, here'])
  })

  it('R8: maxPerUser ends the oldest sign-in', async () => {
    const app = await site(register, { maxPerUser: 2 })
    const user = newUser()
    const browsers = [supertest.agent(app), supertest.agent(app), supertest.agent(app)]
    for (const browser of browsers) await browser.get(`/sign-in/phone?user=${user}`).expect(200)
    const bodies = []
    for (const browser of browsers) bodies.push((await browser.get('/')).body)
    expect(bodies).toEqual(['nobody', user, user])
  })

  it('C7: a slow request that saved does not overwrite the cookie of a fresh sign-in; else the browser gets what it saved', async () => {
    const app = await site(register)
    const browser = supertest.agent(app)
    const user = newUser()
    const signedIn = await browser.get(`/sign-in/phone?user=${user}`)
    const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const upload = async (meanwhile: () => Promise<unknown>) => {
      const saved = once(uploads, 'saved')
      const reply = supertest(app).get('/upload').set({ cookie }).then()
      await saved
      await meanwhile()
      uploads.emit('go')
      return await reply
    }
    const alone = await upload(async () => undefined)
    expect(alone.headers['set-cookie']).toHaveLength(1)
    const late = await upload(async () => browser.get(`/sign-in/phone?user=${user}`))
    expect([late.status, late.headers['set-cookie']]).toEqual([200, undefined])
  })

  it('I1: an update that changes nothing, after a sign-out elsewhere, is gone and does not say what it saw', async () => {
    const app = await site(register)
    const browser = supertest.agent(app)
    const signedIn = await browser.get(`/sign-in/phone?user=${newUser()}`)
    const cookie = signedIn.headers['set-cookie']?.[0]?.split(';')[0] ?? ''
    const saved = once(uploads, 'saved')
    const reply = supertest(app).get('/asks').set({ cookie }).then()
    await saved
    await browser.get('/sign-out').expect(200)
    uploads.emit('go')
    const { status, body } = await reply
    expect([status, body]).toEqual([409, 'ERR_SESSION_GONE'])
  })

  it('R12: what is too large for the cookie is refused at the sign-in too, and the session of before stays', async () => {
    const browser = supertest.agent(await site(register))
    const user = newUser()
    await browser.get(`/sign-in/phone?user=${user}`).expect(200)
    const refused = await browser.get(`/sign-in/phone?user=${user}&size=4000`)
    expect([refused.status, refused.body]).toEqual([500, 'ERR_SESSION_COOKIE_TOO_LARGE'])
    await browser.get('/').expect(`"${user}"`)
    await browser.get('/devices').expect(['phone, here'])
  })
})

it('C1: while the entries can not be read, who comes with a cookie gets a 503, and is signed in afterwards', async () => {
  const own = await RedisServer.start()
  onTestFinished(() => own.stop())
  const app = await site(() => redisStore(own.url), { storeTimeout: 500 })
  const browser = supertest.agent(app)
  await browser.get('/sign-in/phone?user=ada').expect(200)
  own.signal('SIGSTOP')
  await browser.get('/').expect(503)
  await supertest(app).get('/').expect('"nobody"')
  own.signal('SIGCONT')
  await expect.poll(async () => (await browser.get('/')).body).toBe('ada')
})

it('an entry holds nothing of the session but whose it is, until when, and what was noted for lists', async () => {
  const app = await site(registers.redis ?? expect.unreachable())
  const reply = await supertest(app).get('/sign-in/phone?user=canary&size=7')
  const text = await redis.command('GET', `session:${reply.body}`)
  expect(text).toContain('canary')
  expect(text).toContain('phone')
  expect(text).not.toContain('xxxxxxx')
})

it('a store in which nothing can be ended is no revocation', () => {
  expect(() => cookieStore({ revocation: cookieStore() })).toThrow(
    expect.objectContaining({ code: 'ERR_SESSION_SETTING' }),
  )
})
