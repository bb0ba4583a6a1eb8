// An application of the one framework inside one of the other, as those have who move from one to the other.
import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { openSessions, type SessionOptions, type Sessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session as expressSession } from '@sojourn/express'
import { session as koaSession } from '@sojourn/koa'
import express from 'express'
import Koa from 'koa'
import { describe, expect, onTestFinished, test } from 'vitest'

declare module '@sojourn/core' {
  interface SessionData {
    inner?: number
    outer?: number
  }
}

async function open(options: SessionOptions = {}): Promise<Sessions> {
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  const secret = 'a secret of the tests, long enough for production'
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

/** What a visitor without a cookie gets, and the same one who then comes again. */
async function visit(app: RequestListener) {
  const server = createServer(app).listen(0, '127.0.0.1')
  onTestFinished(() => {
    server.close()
    server.closeAllConnections()
  })
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/inner`
  const first = await fetch(url)
  const cookies = first.headers.getSetCookie().map(line => line.split(';')[0])
  const again = await fetch(url, { headers: { cookie: cookies.join('; ') } })
  return { status: first.status, names: cookies.map(pair => pair?.split('=')[0]), again: await again.text() }
}

const nestings: Record<string, (outer: Sessions, inner: Sessions) => RequestListener> = {
  'Koa in Express': (outer, inner) => {
    const koa = new Koa().use(koaSession(inner)).use(ctx => {
      ctx.session.inner = (ctx.session.inner ?? 0) + 1
      ctx.body = ctx.session
    })
    koa.silent = true
    return express()
      .use(expressSession(outer), (req, _res, next) => {
        req.session.outer = (req.session.outer ?? 0) + 1
        next()
      })
      .use('/inner', koa.callback())
  },
  'Express in Koa': (outer, inner) => {
    const app = express()
      .use(expressSession(inner))
      .get('/inner', async (req, res) => {
        // After Koa is done with it.
        await new Promise(resolve => setTimeout(resolve, 10))
        req.session.inner = (req.session.inner ?? 0) + 1
        res.json(req.session)
      })
    const koa = new Koa().use(koaSession(outer)).use(ctx => {
      ctx.session.outer = (ctx.session.outer ?? 0) + 1
      ctx.status = 200
      ctx.respond = false
      app(ctx.req, ctx.res)
    })
    koa.silent = true
    return koa.callback()
  },
}

describe.each(Object.entries(nestings))('%s', (_name, nest) => {
  test('with the same sessions: both have the one session, loaded, stored and sent once', async () => {
    const sessions = await open()
    const { store } = sessions
    const { load, create } = store
    let [loads, creates] = [0, 0]
    store.load = token => load.call(store, token).finally(() => loads++)
    store.create = record => create.call(store, record).finally(() => creates++)
    const { status, names, again } = await visit(nest(sessions, sessions))
    expect([status, names, JSON.parse(again)]).toEqual([200, ['sid'], { inner: 2, outer: 2 }])
    expect([loads, creates]).toEqual([1, 1])
  })

  test('with the same sessions: what is not stored is a 503', async () => {
    const sessions = await open()
    sessions.store.create = () => Promise.reject(new Error('down'))
    expect(await visit(nest(sessions, sessions))).toMatchObject({ status: 503, names: [] })
  })

  test('with sessions of its own: what is not stored is a 503', async () => {
    const inner = await open({ cookie: { name: 'other' } })
    inner.store.create = () => Promise.reject(new Error('down'))
    expect(await visit(nest(await open(), inner))).toMatchObject({ status: 503, names: ['sid'] })
  })

  test('with sessions of its own, under another name: each has its session', async () => {
    const { status, names, again } = await visit(
      nest(await open(), await open({ cookie: { name: 'other' } })),
    )
    expect([status, names.toSorted(), JSON.parse(again)]).toEqual([200, ['other', 'sid'], { inner: 2 }])
  })
})
