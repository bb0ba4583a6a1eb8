import { openSessions, type Sessions } from '@sojourn/core'
import { session } from '@sojourn/express'
import express, { type ErrorRequestHandler, type Express, type Response } from 'express'
import { answer, answerError } from './site.ts'
import type { Answer } from './visit.ts'

export const sessions: Sessions = await openSessions()

const send = (res: Response, { status, headers, body }: Answer) => res.status(status).set(headers).end(body)

// Express tells an error handler by its four parameters.
const onError: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) next(error)
  else send(res, answerError(error))
}

const app: Express = express()
  .disable('x-powered-by')
  .use(session(sessions))
  .use(async (req, res) => {
    const { method, path, session } = req
    send(res, await answer({ server: 'Express', method, path, session, sessions, req }))
  })
  .use(onError)

export default app
