import type { IncomingMessage, ServerResponse } from 'node:http'
import { cookieStore } from '@sojourn/cookie'
import { openSessions, type Session } from '@sojourn/core'
import { attachSession } from '@sojourn/core/http'
import { getIronSession } from 'iron-session'
import { cart, page, pretended, quiet, type Subject, secret, touchInterval, type Visit } from './subject.ts'

function userOf(req: IncomingMessage): string {
  return `user-${new URL(req.url ?? '/', 'http://localhost').searchParams.get('user')}`
}

export const httpSubjects: readonly Subject[] = [
  {
    framework: 'http',
    kind: 'bare',
    name: 'node:http',
    store: 'none',
    open: async () => (req: IncomingMessage, res: ServerResponse) => {
      res.end(page(req.headers.cookie ? pretended : {}))
    },
  },
  {
    framework: 'http',
    kind: 'peer',
    name: 'iron-session',
    store: 'sealed cookie',
    open: async () => async (req: IncomingMessage, res: ServerResponse) => {
      const session = await getIronSession<Visit>(req, res, { password: secret, cookieName: 'session' })
      if (req.url?.startsWith('/sign-in')) Object.assign(session, { userId: userOf(req), cart })
      if (req.url === '/change') session.views = (session.views ?? 0) + 1
      if (req.url !== '/page') await session.save()
      res.end(page(session))
    },
  },
  {
    framework: 'http',
    kind: 'sojourn',
    name: 'Sojourn',
    store: 'sealed cookie',
    async open() {
      const store = cookieStore({ sealed: true, secret })
      const sessions = await openSessions({ store, secret, logger: quiet, touchInterval })
      return async (req: IncomingMessage, res: ServerResponse) => {
        const target: { session?: Session } = {}
        const fail = () => void res.writeHead(503).end()
        const request = attachSession(sessions, target, req, res, { fail })
        await request.load()
        const { session } = request
        const visit = session as Visit
        if (req.url?.startsWith('/sign-in')) {
          await session.regenerate({ userId: userOf(req) })
          Object.assign(session, { cart })
        }
        if (req.url === '/change') visit.views = (visit.views ?? 0) + 1
        res.end(page(visit))
      }
    },
  },
]
