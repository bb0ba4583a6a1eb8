import { openSessions, type Sessions } from '@sojourn/core'
import { session } from '@sojourn/koa'
import Koa, { type Context } from 'koa'
import { answer, answerError } from './site.ts'
import type { Answer } from './visit.ts'

export const sessions: Sessions = await openSessions()

function send(ctx: Context, { status, headers, body }: Answer): void {
  ctx.status = status
  ctx.set(headers)
  ctx.body = body
}

const app: Koa = new Koa()
  .use(async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      send(ctx, answerError(error))
    }
  })
  .use(session(sessions))
  .use(async ctx => {
    const { method, path, session, req } = ctx
    send(ctx, await answer({ server: 'Koa', method, path, session, sessions, req }))
  })

export default app
