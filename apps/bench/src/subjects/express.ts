import { createHmac, createSecretKey } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { cookieStore } from '@sojourn/cookie'
import { openSessions, type SessionStore } from '@sojourn/core'
import { session } from '@sojourn/express'
import { filesystemStore } from '@sojourn/filesystem'
import { redisStore } from '@sojourn/redis'
import { RedisStore } from 'connect-redis'
import cookieSession from 'cookie-session'
import express, { type Express, type Request, type RequestHandler, type Response } from 'express'
import expressSession from 'express-session'
import fileStore from 'session-file-store'
import {
  cart,
  cookieValue,
  day,
  type Place,
  page,
  pretended,
  quiet,
  redisClient,
  type Subject,
  secret,
  touchInterval,
  type Visit,
} from './subject.ts'

/** The site of those whose `req.session` is an object with the data. */
function site(middleware: RequestHandler): Express {
  const visitOf = (req: Request) => req.session as Visit
  return express()
    .use(middleware)
    .get('/sign-in', (req: Request, res: Response) => {
      Object.assign(visitOf(req), { userId: `user-${req.query.user}`, cart })
      res.send('')
    })
    .get('/page', (req: Request, res: Response) => void res.send(page(visitOf(req))))
    .get('/change', (req: Request, res: Response) => {
      const visit = visitOf(req)
      visit.views = (visit.views ?? 0) + 1
      res.send(page(visit))
    })
}

function sojourn(store: Subject['store'], open: (place: Place) => SessionStore): Subject {
  return {
    framework: 'express',
    kind: 'sojourn',
    name: 'Sojourn',
    store,
    async open(place) {
      const sessions = await openSessions({ store: open(place), secret, logger: quiet, touchInterval })
      return express()
        .use(session(sessions))
        .get('/sign-in', async (req: Request, res: Response) => {
          await req.session.regenerate({ userId: `user-${req.query.user}` })
          Object.assign(req.session, { cart })
          res.send('')
        })
        .get('/page', (req: Request, res: Response) => void res.send(page(req.session as Visit)))
        .get('/change', (req: Request, res: Response) => {
          const visit = req.session as Visit
          visit.views = (visit.views ?? 0) + 1
          res.send(page(visit))
        })
    },
  }
}

/** By hand: the cookie is the key. */
function ideal(
  store: Subject['store'],
  open: (place: Place) => Promise<{
    read(id: string): Promise<string | null>
    write(id: string, text: string): Promise<unknown>
  }>,
): Subject {
  return {
    framework: 'express',
    kind: 'ideal',
    name: 'ideal',
    store,
    async open(place) {
      const { read, write } = await open(place)
      const visitOf = async (req: Request): Promise<[string, Visit]> => {
        const id = cookieValue(req.headers.cookie, 'id')
        const text = id === undefined ? null : await read(id)
        return [id ?? '', text === null ? {} : JSON.parse(text)]
      }
      return express()
        .get('/sign-in', async (req: Request, res: Response) => {
          const id = crypto.randomUUID()
          await write(id, JSON.stringify({ userId: `user-${req.query.user}`, cart }))
          res.setHeader('Set-Cookie', `id=${id}`).send('')
        })
        .get('/page', async (req: Request, res: Response) => {
          const [, visit] = await visitOf(req)
          res.send(page(visit))
        })
        .get('/change', async (req: Request, res: Response) => {
          const [id, visit] = await visitOf(req)
          visit.views = (visit.views ?? 0) + 1
          await write(id, JSON.stringify(visit))
          res.send(page(visit))
        })
    },
  }
}

export const expressSubjects: readonly Subject[] = [
  {
    framework: 'express',
    kind: 'bare',
    name: 'Express',
    store: 'none',
    async open() {
      return express()
        .get('/sign-in', (_, res) => void res.send(''))
        .get(
          '/page',
          (req: Request, res: Response) => void res.send(page(req.headers.cookie ? pretended : {})),
        )
        .get('/change', (_, res) => void res.send(page(pretended)))
    },
  },
  ideal('redis', async place => {
    const client = await redisClient(place)
    return {
      read: id => client.get(`ideal:${id}`),
      write: (id, text) => client.set(`ideal:${id}`, text, { expiration: { type: 'PX', value: day } }),
    }
  }),
  {
    framework: 'express',
    kind: 'peer',
    name: 'express-session + connect-redis',
    store: 'redis',
    async open(place) {
      const store = new RedisStore({ client: await redisClient(place), prefix: 'peer:' })
      const options = { secret, resave: false, saveUninitialized: false }
      return site(expressSession({ ...options, store }))
    },
  },
  sojourn('redis', ({ redisUrl }) => redisStore(redisUrl, { keyPrefix: 'express:' })),
  ideal('filesystem', async ({ folder }) => {
    await mkdir(folder, { recursive: true })
    return {
      read: id => readFile(join(folder, id), 'utf8'),
      // Whoever reads meanwhile must not see half of it.
      async write(id, text) {
        const unfinished = join(folder, `${id}.${crypto.randomUUID()}`)
        await writeFile(unfinished, text)
        await rename(unfinished, join(folder, id))
      },
    }
  }),
  {
    framework: 'express',
    kind: 'peer',
    name: 'express-session + session-file-store',
    store: 'filesystem',
    async open({ folder }) {
      mkdirSync(folder, { recursive: true })
      const FileStore = fileStore(expressSession)
      const store = new FileStore({ path: folder, ttl: day / 1000, logFn: () => {} })
      const options = { secret, resave: false, saveUninitialized: false }
      return site(expressSession({ ...options, store }))
    },
  },
  sojourn('filesystem', ({ folder }) => filesystemStore({ directory: folder, threshold: 0, logger: quiet })),
  {
    framework: 'express',
    kind: 'ideal',
    name: 'ideal',
    store: 'signed cookie',
    async open() {
      const key = createSecretKey(secret, 'utf8')
      const signatureOf = (text: string) => createHmac('sha256', key).update(text).digest('base64url')
      const visitOf = (req: Request): Visit => {
        const [text = '', signature = ''] = cookieValue(req.headers.cookie, 'visit')?.split('.') ?? []
        if (text === '' || signatureOf(text) !== signature) return {}
        return JSON.parse(Buffer.from(text, 'base64url').toString())
      }
      const keep = (res: Response, visit: Visit) => {
        const text = Buffer.from(JSON.stringify(visit)).toString('base64url')
        res.setHeader('Set-Cookie', `visit=${text}.${signatureOf(text)}`)
      }
      return express()
        .get('/sign-in', (req: Request, res: Response) => {
          keep(res, { userId: `user-${req.query.user}`, cart })
          res.send('')
        })
        .get('/page', (req: Request, res: Response) => void res.send(page(visitOf(req))))
        .get('/change', (req: Request, res: Response) => {
          const visit = visitOf(req)
          visit.views = (visit.views ?? 0) + 1
          keep(res, visit)
          res.send(page(visit))
        })
    },
  },
  {
    framework: 'express',
    kind: 'peer',
    name: 'cookie-session',
    store: 'signed cookie',
    async open() {
      return site(cookieSession({ name: 'session', keys: [secret], maxAge: day }))
    },
  },
  sojourn('signed cookie', () => cookieStore()),
  sojourn('sealed cookie', () => cookieStore({ sealed: true, secret })),
]
