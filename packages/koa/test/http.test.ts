import { type Exchange, httpConformance } from '@sojourn/http-conformance'
import { session } from '@sojourn/koa'
import Koa, { type Context } from 'koa'

httpConformance({
  name: 'Koa',
  serve(sessions, routes, { mounted, mount, errors }) {
    const app = new Koa()
    app.silent = true
    if (errors) {
      app.use(async (ctx, next) => {
        try {
          await next()
        } catch (error) {
          const { status, body } = errors.answer(error)
          if (ctx.respond !== false) Object.assign(ctx, { status, body })
        }
      })
    }
    for (let times = 0; times < mounted; times++) app.use(session(sessions, mount))
    app.use(ctx => routes[ctx.path]?.(exchange(ctx)))
    return app.callback()
  },
})

function exchange(ctx: Context): Exchange {
  return {
    owner: ctx,
    url: ctx.url,
    header: (name, value) => ctx.set(name, value),
    send: (body, status = 200) => Object.assign(ctx, { status, body }),
    redirect: to => ctx.redirect(to),
    raw: () => {
      // Koa's own way to say that it shall not answer; it has set the status to 404 by now.
      ctx.respond = false
      ctx.res.statusCode = 200
      return ctx
    },
  }
}
