import { session } from '@sojourn/express'
import { type Exchange, httpConformance } from '@sojourn/http-conformance'
import express, { type NextFunction, type Request, type Response } from 'express'

httpConformance({
  name: 'Express',
  serve(sessions, routes, { mounted, mount, errors }) {
    const app = express()
    for (let times = 0; times < mounted; times++) app.use(session(sessions, mount))
    for (const [path, handler] of Object.entries(routes)) {
      app.all(path, (req, res) => handler(exchange(req, res)))
    }
    if (errors) {
      app.use((error: unknown, _req: Request, res: Response, _next: NextFunction) => {
        const { status, body } = errors.answer(error)
        if (!res.headersSent) res.status(status).send(body)
      })
    }
    return app
  },
})

function exchange(req: Request, res: Response): Exchange {
  return {
    owner: req,
    url: req.url,
    header: (name, value) => res.setHeader(name, value),
    send: (body, status = 200) => res.status(status).send(body),
    redirect: to => res.redirect(to),
    raw: () => ({ req, res }),
  }
}
