import type { Session, Sessions } from '@sojourn/core'
import type { MountOptions } from '@sojourn/core/http'
import express, { type NextFunction, type Request, type RequestHandler, type Response } from 'express'
import Koa, { type Context, type Middleware } from 'koa'
import type { Adapter, Exchange } from './adapter.ts'

/**
 * Applications on Express, with the middleware of `@sojourn/express`.
 *
 * @param framework Express itself, of whichever version
 */
export function onExpress(
  session: (sessions: Sessions, mount: MountOptions) => RequestHandler,
  framework: () => express.Express = express,
): Adapter {
  return {
    name: 'Express',
    serve(sessions, routes, { mounted, mount, errors }) {
      const app = framework()
      for (let times = 0; times < mounted; times++) app.use(session(sessions, mount))
      for (const [path, handler] of Object.entries(routes)) {
        // Express 4 does not wait for a handler.
        app.all(path, async (req, res, next) => {
          try {
            await handler(expressExchange(req, res))
          } catch (error) {
            next(error)
          }
        })
      }
      if (errors) {
        app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
          const { status, body } = errors.answer(error)
          if (res.headersSent) return
          if (errors.byHand) res.writeHead(status, 'Fine', { 'X-Own': '1' }).end(body)
          else res.status(status).send(body)
        })
      }
      return app
    },
  }
}

/**
 * Applications on Koa, with the middleware of `@sojourn/koa`.
 *
 * @param Framework Koa itself, of whichever version
 */
export function onKoa(
  session: (sessions: Sessions, mount: MountOptions) => Middleware,
  Framework: typeof Koa = Koa,
): Adapter {
  return {
    name: 'Koa',
    serve(sessions, routes, { mounted, mount, errors }) {
      const app = new Framework()
      app.silent = true
      if (errors) {
        app.use(async (ctx, next) => {
          try {
            await next()
          } catch (error) {
            const { status, body } = errors.answer(error)
            if (errors.byHand) {
              ctx.respond = false
              ctx.res.writeHead(status, 'Fine', { 'X-Own': '1' }).end(body)
            } else if (ctx.respond !== false) Object.assign(ctx, { status, body })
          }
        })
      }
      for (let times = 0; times < mounted; times++) app.use(session(sessions, mount))
      app.use(ctx => routes[ctx.path]?.(koaExchange(ctx)))
      return app.callback()
    },
  }
}

function expressExchange(req: Request, res: Response): Exchange {
  return {
    owner: ownerOf(req),
    url: req.url,
    header: (name, value) => res.setHeader(name, value),
    send: (body, status = 200) => res.status(status).send(body),
    redirect: to => res.redirect(to),
    raw: () => ({ req, res }),
  }
}

function koaExchange(ctx: Context): Exchange {
  return {
    owner: ownerOf(ctx),
    url: ctx.url,
    header: (name, value) => ctx.set(name, value),
    send: (body, status = 200) => Object.assign(ctx, { status, body, respond: true }),
    redirect: to => ctx.redirect(to),
    raw: () => {
      // Koa's own way to say that it shall not answer; it has set the status to 404 by now.
      ctx.respond = false
      ctx.res.statusCode = 200
      return ctx
    },
  }
}

/** The adapters' own declarations, which this package can't see, say that it has one. */
function ownerOf(owner: object): Exchange['owner'] {
  if (hasSession(owner)) return owner
  throw new TypeError('the middleware gave no session')
}

function hasSession(owner: object): owner is { readonly session: Session } {
  return 'session' in owner
}
