// Where https ends in front of the application, as most sites have it: a real nginx before two workers.
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSessions, type Sessions } from '@sojourn/core'
import { session as expressSession } from '@sojourn/express'
import { filesystemStore } from '@sojourn/filesystem'
import { session as koaSession } from '@sojourn/koa'
import express from 'express'
import Koa from 'koa'
import supertest from 'supertest'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Nginx } from './nginx-server.ts'

type Build = (sessions: Sessions) => RequestListener

const builds: Record<string, Build> = {
  Express(sessions) {
    const app = express().set('trust proxy', 'loopback').use(expressSession(sessions))
    app.post('/sign-in', async (req, res) => {
      await req.session.regenerate({ userId: 'ada' })
      res.redirect('/')
    })
    app.post('/sign-out', async (req, res) => {
      await req.session.destroy()
      res.redirect('/')
    })
    app.get('/', (req, res) => void res.json({ user: req.session.userId, secure: req.secure }))
    return app
  },
  Koa(sessions) {
    const app = new Koa({ proxy: true }).use(koaSession(sessions))
    app.use(async ctx => {
      if (ctx.path === '/sign-in') await ctx.session.regenerate({ userId: 'ada' })
      else if (ctx.path === '/sign-out') await ctx.session.destroy()
      else ctx.body = { user: ctx.session.userId, secure: ctx.secure }
      if (ctx.method === 'POST') ctx.redirect('/')
    })
    return app.callback()
  },
}

/** A site in production mode: two workers over one folder, behind nginx. */
async function open(build: Build, directives: string) {
  const directory = await mkdtemp(join(tmpdir(), 'sojourn-nginx-sessions-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const warnings: string[] = []
  const logger = {
    info: () => undefined,
    warn: (text: string) => warnings.push(text),
    error: () => undefined,
  }
  const ports: number[] = []
  for (const _worker of [1, 2]) {
    const sessions = await openSessions({
      store: filesystemStore({ directory }),
      secret: 'a secret of the tests, long enough for production',
      env: { NODE_ENV: 'production' },
      logger,
    })
    const server = createServer(build(sessions)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    ports.push((server.address() as AddressInfo).port)
    onTestFinished(async () => {
      server.close()
      server.closeAllConnections()
      await sessions.close()
    })
  }
  const nginx = await Nginx.start(ports, directives)
  onTestFinished(() => nginx.stop())
  // Its agent keeps a Secure cookie for https only, as browsers do.
  return { browser: supertest.agent(nginx.url, { ca: nginx.certificate }), warnings }
}

describe.each(Object.entries(builds))('%s behind nginx with https, in production mode', (_name, build) => {
  test('signs in with a __Host- cookie that is Secure, stays signed in on every worker, and signs out', async () => {
    const { browser, warnings } = await open(
      build,
      'proxy_set_header Host $http_host; proxy_set_header X-Forwarded-Proto $scheme;',
    )
    await browser.get('/').expect({ secure: true })
    const signedIn = await browser.post('/sign-in').expect(302)
    expect(signedIn.headers['set-cookie']).toEqual([
      expect.stringMatching(/^__Host-sid=[^;]+; Path=\/; HttpOnly; Secure; SameSite=Lax$/),
    ])
    for (let times = 0; times < 4; times++) await browser.get('/').expect({ user: 'ada', secure: true })
    await browser.post('/sign-out').expect(302)
    for (let times = 0; times < 4; times++) await browser.get('/').expect({ secure: true })
    expect(warnings).toEqual([])
  })

  test('R24: if nginx does not say that it was https, the cookie is Secure all the same, and a warning says what to do', async () => {
    const { browser, warnings } = await open(build, 'proxy_set_header Host shop.example;')
    await browser.post('/sign-in').expect(302)
    for (let times = 0; times < 4; times++) await browser.get('/').expect({ user: 'ada', secure: false })
    expect(warnings).toEqual([expect.stringContaining('let it send X-Forwarded-Proto')])
  })
})
