import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { createServer, request } from 'node:http'
import { Readable } from 'node:stream'
import { openSessions, type SessionOptions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/koa'
import Koa, { type Context } from 'koa'
import { expect, onTestFinished, test } from 'vitest'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

async function newSessions(options: SessionOptions = {}) {
  const secret = 'a secret of the tests, long enough for production'
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

async function serve(app: Koa): Promise<string> {
  app.silent = true
  const server = createServer(app.callback()).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

async function failing(answer: (ctx: Context) => void, above: Koa.Middleware = (_ctx, next) => next()) {
  const sessions = await newSessions()
  sessions.store.create = () => Promise.reject(new Error('down'))
  const app = new Koa().use(above).use(session(sessions))
  app.use(ctx => {
    Object.assign(ctx.session, { a: 1 })
    answer(ctx)
  })
  const reply = await fetch(await serve(app))
  return { reply, text: await reply.text() }
}

test.each(['json', 'text', 'a stream', 'nothing'])(
  'C6: a middleware above that swallows the error answers a bare 503, not the %s',
  async kind => {
    const body = {
      json: { secret: 1 },
      text: 'secret',
      'a stream': Readable.from(['secret']),
      nothing: null,
    }[kind]
    const { reply, text } = await failing(
      ctx => {
        ctx.body = body
      },
      async (_ctx, next) => {
        await next().catch(() => undefined)
      },
    )
    expect(reply.status).toBe(503)
    expect(text).not.toContain('secret')
  },
)

test('the middleware above sees the failed commit as an error of next()', async () => {
  const { reply, text } = await failing(
    ctx => {
      ctx.body = 'stored'
    },
    async (ctx, next) => {
      await next().catch((error: { status: number; code: string }) => {
        ctx.status = error.status
        ctx.body = error.code
      })
    },
  )
  expect([reply.status, text]).toEqual([503, 'ERR_SESSION_STORE_UNAVAILABLE'])
})

test('a stream that breaks while the session is stored is an error, as without sessions, and the process lives', async () => {
  const app = new Koa()
  app.silent = true
  const sessions = await newSessions()
  const { create } = sessions.store
  let broken: Promise<unknown> | undefined
  sessions.store.create = async record => {
    await broken
    return create.call(sessions.store, record)
  }
  app.use(session(sessions)).use(ctx => {
    Object.assign(ctx.session, { a: 1 })
    const stream = createReadStream('there is no such file')
    broken = new Promise<void>(done => stream.once('close', done))
    ctx.body = stream
  })
  expect((await fetch(await serve(app))).status).toBe(500)
})

test('a stream as the body is sent once the session is stored', async () => {
  const sessions = await newSessions()
  const app = new Koa().use(session(sessions))
  app.use(ctx => {
    Object.assign(ctx.session, { a: 1 })
    ctx.body = Readable.from(['a', 'b'])
  })
  const reply = await fetch(await serve(app))
  expect([await reply.text(), reply.headers.getSetCookie().length]).toEqual(['ab', 1])
})

test('the application is told why, when a commit fails under a handler that streams by itself', async () => {
  const sessions = await newSessions()
  sessions.store.create = async () => {
    await new Promise(done => setTimeout(done, 20))
    throw new Error('down')
  }
  const app = new Koa().use(session(sessions))
  const told: unknown[] = []
  app.on('error', error => told.push(error))
  app.use(ctx => {
    Object.assign(ctx.session, { a: 1 })
    ctx.respond = false
    ctx.res.statusCode = 200
    Readable.from(['secret']).pipe(ctx.res)
  })
  const reply = await fetch(await serve(app))
  expect(reply.status).toBe(503)
  expect(await reply.text()).not.toContain('secret')
  for (const error of told) expect(error).toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })
  expect(told.length).toBeGreaterThan(0)
})

test.each([200, 400, 404])(
  'C6: an answer whose head was begun with status %i comes to an end though the commit fails',
  async status => {
    const { reply, text } = await failing(ctx => {
      ctx.status = status
      ctx.flushHeaders()
      ctx.body = 'the page'
    })
    expect(reply.status).toBe(status === 200 ? 503 : status)
    expect(text).toBe(status === 200 ? 'The session could not be stored.' : 'the page')
  },
)

test('a WebSocket in the chain: what it changes is stored, at once and when its connection has closed', async () => {
  const sessions = await newSessions()
  const updates: unknown[] = []
  const { create, update } = sessions.store
  sessions.store.create = record =>
    create.call(sessions.store, record).finally(() => updates.push(record.data))
  sessions.store.update = (token, change) =>
    update.call(sessions.store, token, change).finally(() => updates.push(change.set))
  const app = new Koa().use(session(sessions)).use(ctx => {
    ctx.respond = false
    Object.assign(ctx.session, { opened: 1 })
    ctx.socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n')
    ctx.socket.once('close', () => void Object.assign(ctx.session, { closed: 1 }))
  })
  const asking = request(await serve(app), { headers: { connection: 'Upgrade', upgrade: 'test' } }).end()
  const [, client] = await once(asking, 'upgrade')
  await expect.poll(() => updates).toEqual([{ opened: 1 }])
  client.destroy()
  await expect.poll(() => updates).toEqual([{ opened: 1 }, { closed: 1 }])
})

test('sessions of another kind further in are those of what lies below them, and only of that', async () => {
  const [outer, inner] = [await newSessions(), await newSessions({ cookie: { name: 'inner' } })]
  const seen: unknown[] = []
  const app = new Koa()
    .use(session(outer))
    .use(async (ctx, next) => {
      Object.assign(ctx.session, { outer: 1 })
      await next()
      seen.push({ ...ctx.session })
    })
    .use(session(inner))
    .use(ctx => {
      Object.assign(ctx.session, { inner: 1 })
      ctx.body = { ...ctx.session }
    })
  const reply = await fetch(await serve(app))
  expect([await reply.json(), seen]).toEqual([{ inner: 1 }, [{ outer: 1 }]])
  expect(
    reply.headers
      .getSetCookie()
      .map(line => line.split('=')[0])
      .toSorted(),
  ).toEqual(['inner', 'sid'])
})

test('sessions of another kind between two mounts of one kind: the outermost is in charge', async () => {
  const [a, b] = [await newSessions(), await newSessions({ cookie: { name: 'b' } })]
  const app = new Koa()
    .use(session(a))
    .use(async (ctx, next) => {
      await next()
      Object.assign(ctx.session, { late: 1 })
    })
    .use(session(b))
    .use(session(a))
    .use(ctx => {
      Object.assign(ctx.session, { a: 1 })
      ctx.body = 'done'
    })
  const url = await serve(app)
  const reply = await fetch(url)
  expect([reply.status, reply.headers.getSetCookie().map(line => line.split('=')[0])]).toEqual([200, ['sid']])
})

test('clients that hang up, before a handler that nobody awaits ends: the change is stored, and the process lives', async () => {
  const sessions = await newSessions()
  const stored: unknown[] = []
  const { create } = sessions.store
  sessions.store.create = (record, options) =>
    create.call(sessions.store, record, options).finally(() => stored.push(record.data))
  const app = new Koa().use(session(sessions)).use(ctx => {
    ctx.respond = false
    ctx.res.once('close', () =>
      setTimeout(() => {
        Object.assign(ctx.session, { late: 1 })
        ctx.res.end('to nobody')
      }, 20),
    )
    asking.destroy()
  })
  const asking = request(await serve(app)).end()
  asking.on('error', () => undefined)
  await expect.poll(() => stored).toEqual([{ late: 1 }])
})

test('I6: who looks at the session of a request whose load failed finds none, and the process lives', async () => {
  const sessions = await newSessions()
  const first = sessions.begin(undefined)
  await first.load()
  await first.session.regenerate({ userId: 'ada' })
  await first.commit()
  sessions.store.load = () => Promise.reject(new Error('down'))
  const app = new Koa().use(session(sessions))
  const seen: unknown[] = []
  app.on('error', (_error, ctx) => seen.push(ctx.session))
  const headers = { cookie: first.setCookie?.split(';')[0] ?? '' }
  expect((await fetch(await serve(app), { headers })).status).toBe(503)
  await expect.poll(() => seen).toEqual([undefined])
})
