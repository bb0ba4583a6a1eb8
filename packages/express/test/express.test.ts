import { once } from 'node:events'
import { createServer, IncomingMessage, request, ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { openSessions, type SessionOptions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/express'
import express, { type Express, type Request, Router } from 'express'
import { describe, expect, onTestFinished, test } from 'vitest'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

async function newSessions(options: SessionOptions = {}) {
  const secret = 'a secret of the tests, long enough for production'
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

async function serve(app: Express): Promise<string> {
  const server = createServer(app).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

/** A site that signs in at /sign-in, and the tokens of the sessions that requests use. */
async function siteThatHolds() {
  const sessions = await newSessions({ touchInterval: 0 })
  const held: string[] = []
  Object.assign(sessions.store, {
    supports: { ...sessions.store.supports, eviction: true },
    hold: (token: string) => held.push(token),
    release: (token: string) => held.splice(held.indexOf(token), 1),
  })
  const first = sessions.begin(undefined)
  await first.load()
  await first.session.regenerate({ userId: 'ada' })
  await first.commit()
  return { sessions, held, cookie: first.setCookie?.split(';')[0] ?? '' }
}

test.each([undefined, null, {}])(
  'a request that was made up, with the connection %s, has its session stored',
  async socket => {
    const sessions = await newSessions({ env: { NODE_ENV: 'production' } })
    const failing = await newSessions({ env: { NODE_ENV: 'production' } })
    failing.store.create = () => Promise.reject(new Error('down'))
    const statusWith = async (own: typeof sessions) => {
      const req = new IncomingMessage(socket as Socket)
      const res = new ServerResponse(req)
      await new Promise<unknown>(done => session(own)(req, res, done))
      Object.assign((req as unknown as Request).session, { a: 1 })
      res.end('done')
      expect([res.headersSent, res.writableEnded]).toEqual([true, true])
      // It has left, or is the framework's again, to answer with the error.
      await expect.poll(() => res.finished || !res.headersSent).toBe(true)
      return [res.statusCode, res.getHeader('set-cookie') !== undefined]
    }
    expect([await statusWith(sessions), await statusWith(failing)]).toEqual([
      [200, true],
      [503, false],
    ])
  },
)

test('a response that was made up, which keeps for itself whether it was sent, is answered', async () => {
  class MadeUp extends ServerResponse {
    override end(): this {
      Object.assign(this, { headersSent: true, writableEnded: true })
      return this
    }
  }
  const req = new IncomingMessage(undefined as unknown as Socket)
  const res = new MadeUp(req)
  Object.defineProperty(res, 'headersSent', { value: false, configurable: true, writable: true })
  const failures: unknown[] = []
  const sessions = await newSessions()
  await new Promise<unknown>(done => {
    session(sessions)(req, res, error => done(error === undefined ? undefined : failures.push(error)))
  })
  Object.assign((req as unknown as Request).session, { a: 1 })
  res.end()
  await expect.poll(() => Object.getOwnPropertyDescriptor(res, 'headersSent')?.value).toBe(true)
  expect([res.statusCode, failures]).toEqual([200, []])
})

test('who asks in the name of a response that waited, as Object.create(res) does, is answered', async () => {
  const app = express().use(session(await newSessions()))
  const responses: ServerResponse[] = []
  app.get('/', (req, res) => {
    Object.assign(req.session, { a: 1 })
    responses.push(Object.create(res))
    res.end('waits')
  })
  await (await fetch(await serve(app))).text()
  expect(responses.map(res => [res.headersSent, res.writableEnded])).toEqual([[true, true]])
})

test.each([
  ['in order', [0, 1]],
  ['the last one first', [1, 0]],
])(
  'a connection that is to be closed closes after the answers that wait, stored %s, whatever the client asks next',
  async (_, order) => {
    const sessions = await newSessions({ storeTimeout: 60_000 })
    const { create } = sessions.store
    const asked: (() => void)[] = []
    sessions.store.create = async (...args) => {
      await new Promise<void>(go => asked.push(go))
      return create.apply(sessions.store, args)
    }
    // More than a connection takes at once.
    const long = 'x'.repeat(16_000_000)
    const app = express().use(session(sessions))
    app.get('/:which', (req, res) => {
      Object.assign(req.session, { a: 1 })
      res.end(req.params.which === 'last' ? `<last ${long}>` : `<${req.params.which}>`)
      if (req.params.which === 'last') req.socket.destroy()
    })
    const socket = connect(Number(new URL(await serve(app)).port), '127.0.0.1').on('error', () => undefined)
    onTestFinished(() => void socket.destroy())
    const heard: Buffer[] = []
    socket.on('data', chunk => heard.push(chunk))
    const closed = once(socket, 'close')
    const ask = (which: string) => socket.write(`GET /${which} HTTP/1.1\r\nHost: site\r\n\r\n`)
    for (const which of ['first', 'last', 'late']) {
      ask(which)
      await expect.poll(() => asked.length).toBe(['first', 'last', 'late'].indexOf(which) + 1)
    }
    // What came once the connection was to be closed has no answer yet, and is not waited for.
    onTestFinished(() => asked.at(-1)?.())
    for (const at of order) asked[at]?.()
    await closed
    const text = Buffer.concat(heard).toString()
    expect(text.match(/<\w+/g)).toEqual(['<first', '<last'])
    expect(text.endsWith('x>')).toBe(true)
  },
)

test('a request that was made up, without a connection, has its session', async () => {
  const { sessions, cookie } = await siteThatHolds()
  for (const socket of [undefined, {}]) {
    const req = Object.assign(new IncomingMessage(socket as Socket), { headers: { cookie } })
    await new Promise<unknown>(done => session(sessions)(req, new ServerResponse(req), done))
    expect((req as unknown as Request).session.userId).toBe('ada')
  }
})

describe('a WebSocket upgrade', () => {
  test('which has no response, can ask for the session, and is not held for ever', async () => {
    const { sessions, held, cookie } = await siteThatHolds()
    const req = { headers: { cookie } } as IncomingMessage
    await new Promise<unknown>(done => session(sessions)(req, {} as ServerResponse, done))
    expect((req as unknown as Request).session.userId).toBe('ada')
    expect(held).toEqual([])
  })

  test('has its own session, also if one object stands for the responses of all', async () => {
    const sessions = await newSessions()
    const none = {} as ServerResponse
    const users: unknown[] = []
    for (const userId of ['ada', 'bob']) {
      const first = sessions.begin(undefined)
      await first.load()
      await first.session.regenerate({ userId })
      await first.commit()
      const req = { headers: { cookie: first.setCookie?.split(';')[0] } } as IncomingMessage
      await new Promise<unknown>(done => session(sessions)(req, none, done))
      users.push((req as unknown as Request).session.userId)
    }
    expect(users).toEqual(['ada', 'bob'])
  })

  test('which goes through the application with a response of its own, is held, and what it changed stored, when its connection closes', async () => {
    const { sessions, held, cookie } = await siteThatHolds()
    const app = express().use(session(sessions))
    app.get('/socket', req => {
      expect(req.session.userId).toBe('ada')
      Object.assign(req.session, { opened: 1 })
    })
    const sets: unknown[] = []
    const { update } = sessions.store
    sessions.store.update = (token, change) =>
      update
        .call(sessions.store, token, change)
        .finally(() => sets.push({ ...change.set, isUse: change.expiresAt !== undefined }))
    const server = createServer().listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    const upgraded = once(server, 'upgrade')
    server.on('upgrade', (req, socket) => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
      socket.resume().once('end', () => socket.end())
      app(req, new ServerResponse(req) as express.Response)
    })
    await once(server, 'listening')
    const headers = { cookie, connection: 'Upgrade', upgrade: 'test' }
    const asking = request({ port: (server.address() as AddressInfo).port, path: '/socket', headers }).end()
    const [, client] = await once(asking, 'upgrade')
    const [, socket] = await upgraded
    await expect.poll(() => held).toHaveLength(1)
    client.destroy()
    if (!socket.closed) await once(socket, 'close')
    expect(held).toEqual([])
    await expect.poll(() => sets).toEqual([{ opened: 1, isUse: true }])
  })
})

test('twenty requests that wait for their turn on one connection warn of nothing', async () => {
  const { sessions, held, cookie } = await siteThatHolds()
  const url = new URL(
    await serve(express().use(session(sessions), (_req, res) => void setTimeout(() => res.end(), 10))),
  )
  const warnings: string[] = []
  const warn = ({ name }: Error) => warnings.push(name)
  process.on('warning', warn)
  onTestFinished(() => void process.off('warning', warn))
  const socket = connect(Number(url.port), url.hostname)
  onTestFinished(() => void socket.destroy())
  socket.write(`GET / HTTP/1.1\r\nHost: site\r\nCookie: ${cookie}\r\n\r\n`.repeat(20))
  let text = ''
  socket.on('data', data => (text += data))
  await expect.poll(() => text.match(/200 OK/g)?.length).toBe(20)
  await expect.poll(() => held).toEqual([])
  expect(warnings).toEqual([])
})

describe('sessions of another kind in one application', () => {
  test('are those of the paths that they are mounted on, and a path of the first that nothing answers is a 404', async () => {
    const [first, second] = [await newSessions(), await newSessions({ cookie: { name: 'second' } })]
    const app = express().use('/first', session(first)).use(session(second))
    app.get('/first/page', (req, res) => void res.json(Object.assign(req.session, { first: 1 })))
    app.get('/page', (req, res) => void res.json(Object.assign(req.session, { second: 1 })))
    const url = await serve(app)
    const get = async (path: string) => {
      const reply = await fetch(url + path)
      const names = reply.headers.getSetCookie().map(line => line.split('=')[0])
      return [reply.status, names]
    }
    expect(await get('/first/none')).toEqual([404, []])
    expect(await get('/page')).toEqual([200, ['second']])
    // What lies below both has the later one's.
    expect(await get('/first/page')).toEqual([200, ['second']])
  })

  test.each([undefined, null])('take the place of a session that is %s', async stub => {
    const app = express().use((req, _res, next) => {
      Object.assign(req, { session: stub })
      next()
    })
    app.use(session(await newSessions()), (req, res) => void res.json(Object.assign(req.session, { a: 1 })))
    expect(await (await fetch(await serve(app))).json()).toEqual({ a: 1 })
  })

  test('are refused if the first is of another library: whose would req.session be?', async () => {
    const app = express().use((req, _res, next) => {
      Object.assign(req, { session: { cookie: {} } })
      next()
    })
    app.use(session(await newSessions()), (_req, res) => void res.send('inner'))
    app.use(
      (error: { code: string; message: string }, _req: unknown, res: express.Response, _next: unknown) => {
        res.status(500).send(`${error.code} ${error.message}`)
      },
    )
    const reply = await fetch(await serve(app))
    expect([reply.status, await reply.text()]).toEqual([
      500,
      expect.stringMatching(/^ERR_SESSION_SETTING .*beside/),
    ])
  })
})

test('req.sessionID is the id under its name in express-session, and counts as a look', async () => {
  const app = express().use(session(await newSessions()))
  app.get('/', async (req, res) => {
    const before = req.sessionID
    await req.session.regenerate({ userId: 'ada' })
    res.json({
      before: before ?? null,
      same: req.sessionID === req.session.id && req.sessionID !== undefined,
    })
  })
  app.get('/id', (req, res) => res.json(req.sessionID ?? null))
  const url = await serve(app)
  expect(await (await fetch(url)).json()).toEqual({ before: null, same: true })
  expect((await fetch(`${url}/id`)).headers.get('vary')).toBe('Cookie')
})

test('in a router of its own, a failed commit still reaches the error handlers of the application', async () => {
  const sessions = await newSessions()
  sessions.store.create = () => Promise.reject(new Error('down'))
  const router = Router().use(session(sessions))
  router.get('/set', (req, res) => {
    Object.assign(req.session, { a: 1 })
    res.send('stored')
  })
  const app = express().use('/shop', router)
  app.use((error: { code: string }, _req: unknown, res: express.Response, _next: unknown) => {
    res.send(error.code)
  })
  const reply = await fetch(`${await serve(app)}/shop/set`)
  expect([reply.status, await reply.text()]).toEqual([503, 'ERR_SESSION_STORE_UNAVAILABLE'])
})

test('what wraps setHeader below the session sees the cookie', async () => {
  const app = express().use(session(await newSessions()), (_req, res, next) => {
    const { setHeader } = res
    res.setHeader = (name, value) =>
      setHeader.call(res, name, name === 'Set-Cookie' ? `${value}; Partitioned` : value)
    next()
  })
  app.use((req, res) => void res.json(Object.assign(req.session, { a: 1 })))
  const reply = await fetch(await serve(app))
  expect(reply.headers.getSetCookie()).toEqual([expect.stringMatching(/^sid=.*; Partitioned$/)])
})

test('what is mounted above the session keeps its headers on a 503', async () => {
  const sessions = await newSessions()
  sessions.store.create = () => Promise.reject(new Error('down'))
  const app = express()
  app.use((_req, res, next) => {
    res.setHeader('Access-Control-Allow-Origin', 'https://shop.example')
    next()
  })
  app.use(session(sessions)).get('/', (req, res) => {
    Object.assign(req.session, { a: 1 })
    res.json('stored')
  })
  const reply = await fetch(await serve(app))
  expect(reply.status).toBe(503)
  expect(reply.headers.get('access-control-allow-origin')).toBe('https://shop.example')
})

test('I6: a log of requests that looks at sessions finds none where the load failed, or is under way, and the process lives', async () => {
  const sessions = await newSessions()
  const first = sessions.begin(undefined)
  await first.load()
  await first.session.regenerate({ userId: 'ada' })
  await first.commit()
  const headers = { cookie: first.setCookie?.split(';')[0] ?? '' }
  const { load } = sessions.store
  const seen: unknown[] = []
  const app = express()
  app.use((req, res, next) => {
    res.once('close', () => seen.push([req.session?.userId, req.sessionID === undefined]))
    next()
  })
  app.use(session(sessions))
  app.get('/', (_req, res) => {
    res.send('')
  })
  const url = await serve(app)
  await fetch(url, { headers })
  sessions.store.load = () => Promise.reject(new Error('down'))
  expect((await fetch(url, { headers })).status).toBe(503)
  const aborted = new AbortController()
  sessions.store.load = token => {
    aborted.abort()
    return new Promise(resolve => setTimeout(() => resolve(load.call(sessions.store, token)), 100))
  }
  await expect(fetch(url, { headers, signal: aborted.signal })).rejects.toThrow()
  await expect
    .poll(() => seen)
    .toEqual([
      ['ada', false],
      [undefined, true],
      [undefined, true],
    ])
})
