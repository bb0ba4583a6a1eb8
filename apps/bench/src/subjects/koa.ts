import { cookieStore } from '@sojourn/cookie'
import { openSessions, type SessionStore } from '@sojourn/core'
import { filesystemStore } from '@sojourn/filesystem'
import { session } from '@sojourn/koa'
import { redisStore } from '@sojourn/redis'
import Koa from 'koa'
import koaSession from 'koa-session'
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

/** Answers with what the handler of the path does with the visit. */
function answerWith(ctx: Koa.Context, visit: Visit): void {
  if (ctx.path === '/change') visit.views = (visit.views ?? 0) + 1
  ctx.body = page(visit)
}

function sojourn(store: Subject['store'], open: (place: Place) => SessionStore): Subject {
  return {
    framework: 'koa',
    kind: 'sojourn',
    name: 'Sojourn',
    store,
    async open(place) {
      const sessions = await openSessions({ store: open(place), secret, logger: quiet, touchInterval })
      const app = new Koa().use(session(sessions)).use(async ctx => {
        if (ctx.path !== '/sign-in') return answerWith(ctx, ctx.session as Visit)
        await ctx.session.regenerate({ userId: `user-${ctx.query.user}` })
        Object.assign(ctx.session, { cart })
        ctx.body = ''
      })
      return app.callback()
    },
  }
}

function peer(
  name: string,
  store: Subject['store'],
  open: (place: Place) => Promise<Parameters<typeof koaSession>[0]>,
): Subject {
  return {
    framework: 'koa',
    kind: 'peer',
    name,
    store,
    async open(place) {
      const app = new Koa()
      app.keys = [secret]
      app.use(koaSession(await open(place), app))
      app.use(ctx => {
        const visit = ctx.session as Visit
        if (ctx.path !== '/sign-in') return answerWith(ctx, visit)
        Object.assign(visit, { userId: `user-${ctx.query.user}`, cart })
        ctx.body = ''
      })
      return app.callback()
    },
  }
}

export const koaSubjects: readonly Subject[] = [
  {
    framework: 'koa',
    kind: 'bare',
    name: 'Koa',
    store: 'none',
    async open() {
      const app = new Koa().use(ctx => {
        ctx.body = ctx.path === '/sign-in' ? '' : page(ctx.headers.cookie ? pretended : {})
      })
      return app.callback()
    },
  },
  {
    framework: 'koa',
    kind: 'ideal',
    name: 'ideal',
    store: 'redis',
    async open(place) {
      const client = await redisClient(place)
      const write = (id: string, visit: Visit) =>
        client.set(`koa-ideal:${id}`, JSON.stringify(visit), { expiration: { type: 'PX', value: day } })
      const app = new Koa().use(async ctx => {
        if (ctx.path === '/sign-in') {
          const id = crypto.randomUUID()
          await write(id, { userId: `user-${ctx.query.user}`, cart })
          ctx.set('Set-Cookie', `id=${id}`)
          ctx.body = ''
          return
        }
        const id = cookieValue(ctx.headers.cookie, 'id')
        const text = id === undefined ? null : await client.get(`koa-ideal:${id}`)
        const visit: Visit = text === null ? {} : JSON.parse(text)
        answerWith(ctx, visit)
        if (ctx.path === '/change' && id !== undefined) await write(id, visit)
      })
      return app.callback()
    },
  },
  peer('koa-session + Redis', 'redis', async place => {
    const client = await redisClient(place)
    const store = {
      get: async (key: string) => JSON.parse((await client.get(`koa-peer:${key}`)) ?? 'null') ?? undefined,
      set: (key: string, visit: object, maxAge: number) =>
        client.set(`koa-peer:${key}`, JSON.stringify(visit), { expiration: { type: 'PX', value: maxAge } }),
      destroy: (key: string) => client.del(`koa-peer:${key}`),
    }
    return { key: 'koa.sess', maxAge: day, store }
  }),
  sojourn('redis', ({ redisUrl }) => redisStore(redisUrl, { keyPrefix: 'koa:' })),
  sojourn('filesystem', ({ folder }) => filesystemStore({ directory: folder, threshold: 0, logger: quiet })),
  peer('koa-session', 'signed cookie', async () => ({ key: 'koa.sess', maxAge: day })),
  sojourn('signed cookie', () => cookieStore()),
]
