import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { openSessions, type SessionOptions, type Sessions } from '@sojourn/core'
import type { MountOptions } from '@sojourn/core/http'
import { expect, onTestFinished } from 'vitest'
import type { Adapter, Exchange, Routes, SiteErrors } from './adapter.ts'
import { type Asking, ask, type Reply, Visitor } from './client.ts'
import { FaultyStore } from './faulty-store.ts'

export interface SiteOptions extends SessionOptions {
  readonly mounted?: number
  readonly mount?: MountOptions
  readonly errors?: SiteErrors
  /** What comes before the application, and lets it wait. */
  readonly before?: (res: ServerResponse) => Promise<void>
  /** Instead of a store of its own. */
  readonly sharedStore?: FaultyStore
}

/** A server with sessions on a free port, until the test is over. */
export interface Site {
  readonly port: number
  readonly sessions: Sessions
  readonly store: FaultyStore
  /** What the logger was told. */
  readonly log: readonly string[]
  /** Acknowledged store calls, and what else the test adds, in the order in which it happened. */
  readonly events: string[]
  /** How many connections are open. */
  connections(): Promise<number>
  /** Somebody without a cookie. */
  visitor(): Visitor
  /** Somebody who has just signed in as ada. */
  signedIn(): Promise<Visitor>
  ask(path: string, asking?: Asking): Promise<Reply>
}

/** Opens a site with these routes beside the usual ones. */
export type OpenSite = (routes?: Routes, options?: SiteOptions) => Promise<Site>

export const secret = 'a secret of the tests, long enough for production'

/** What many scenarios need. */
const usualRoutes: Routes = {
  '/still': ({ send }) => send('nobody looked'),
  '/read': ({ owner, send }) => send(JSON.stringify({ ...owner.session, userId: owner.session.userId })),
  '/set': ({ owner, url, send }) => {
    for (const [key, value] of new URL(url, 'http://site').searchParams) owner.session[key] = value
    send('set')
  },
  '/count': async ({ owner, send }) => send(String(await owner.session.update(countOne))),
  '/sign-in': async ({ owner, send }) => {
    await owner.session.regenerate({ userId: 'ada' })
    send('welcome')
  },
  '/sign-out': async ({ owner, redirect }) => {
    await owner.session.destroy()
    redirect('/')
  },
}

export function countOne(data: Record<string, unknown>): number {
  const count = Number(data.count ?? 0) + 1
  data.count = count
  return count
}

export function siteOpener(adapter: Adapter): OpenSite {
  return async (routes = {}, { mounted = 1, mount = {}, errors, before, sharedStore, ...options } = {}) => {
    const events: string[] = []
    const log: string[] = []
    const note = (message: string) => log.push(message)
    const store = sharedStore ?? new FaultyStore(call => events.push(call))
    const logger = { info: note, warn: note, error: note }
    const sessions = await openSessions({ store, secret, logger, env: {}, ...options })
    const answer = adapter.serve(
      sessions,
      { ...usualRoutes, ...routes },
      { mounted, mount, ...(errors && { errors }) },
    )
    const server = createServer(async (req, res) => {
      if (before && req.url !== '/sign-in') await before(res)
      answer(req, res)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onTestFinished(async () => {
      expect(store.held, 'sessions that are still held').toEqual([])
      server.closeAllConnections()
      server.close()
      await sessions.close()
    })
    const port = portOf(server.address())
    const visitor = () => new Visitor(port)
    const signedIn = async () => {
      const ada = visitor()
      await ada.get('/sign-in')
      store.calls.length = 0
      events.length = 0
      return ada
    }
    return {
      port,
      sessions,
      store,
      log,
      events,
      connections: () =>
        new Promise((resolve, reject) =>
          server.getConnections((error, count) => (error ? reject(error) : resolve(count))),
        ),
      visitor,
      signedIn,
      ask: (path, asking) => ask(port, path, asking),
    }
  }
}

/** Changes the session, so that the response has to wait for the store. */
export function change({ owner }: Pick<Exchange, 'owner'>): void {
  owner.session.changed = 'yes'
}

function portOf(address: unknown): number {
  if (typeof address === 'object' && address !== null && 'port' in address) return Number(address.port)
  throw new Error('the server does not listen')
}
