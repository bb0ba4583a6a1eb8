import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import { openSessions, type SessionOptions, type Sessions } from '@sojourn/core'
import type { MountOptions } from '@sojourn/core/http'
import { onTestFinished } from 'vitest'
import type { Adapter, Exchange, Routes, SiteErrors } from './adapter.ts'
import { type Asking, ask, type Reply, Visitor } from './client.ts'
import type { FaultyMedium, Medium } from './medium.ts'

export interface SiteOptions<M extends Medium = FaultyMedium> extends SessionOptions {
  readonly mounted?: number
  readonly mount?: MountOptions
  readonly errors?: SiteErrors
  /** What comes before the application, and lets it wait. */
  readonly before?: (res: ServerResponse) => Promise<void>
  /** Another site's, or itself, instead of a new one. */
  readonly medium?: M
  /** For tests that run side by side: their own `onTestFinished`. */
  readonly whenDone?: (work: () => Promise<void>) => void
}

/** A server with sessions on a free port, until the test is over. */
export interface Server {
  readonly port: number
  readonly sessions: Sessions
  /** What the logger was told. */
  readonly log: readonly string[]
  /** How many connections are open. */
  connections(): Promise<number>
  /** Somebody without a cookie. */
  visitor(): Visitor
  /** Somebody who has just signed in as ada. */
  signedIn(): Promise<Visitor>
  ask(path: string, asking?: Asking): Promise<Reply>
}

/** A server, and where it keeps its sessions. */
export type Site<M extends Medium = FaultyMedium> = Server & M

/** Opens a site with these routes beside the usual ones. */
export type OpenSite<M extends Medium = FaultyMedium> = (
  routes?: Routes,
  options?: SiteOptions<M>,
) => Promise<Site<M>>

export const secret = 'a secret of the tests, long enough for production'

/** Bytes, so that what is too long for a session still comes to it. */
const maxHeaderSize = 64 * 1024

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

/** @param newMedium where the next site keeps its sessions */
export function siteOpener<M extends Medium>(adapter: Adapter, newMedium: () => M | Promise<M>): OpenSite<M> {
  return async (routes = {}, { medium: given, whenDone = onTestFinished, ...options } = {}) => {
    const { mounted = 1, mount = {}, errors, before, ...settings } = options
    const medium = given ?? (await newMedium())
    const log: string[] = []
    const note = (message: string) => log.push(message)
    const logger = { info: note, warn: note, error: note }
    const env = { ...medium.keep.env, ...settings.env }
    const sessions = await openSessions({ secret, logger, ...medium.keep, ...settings, env })
    const answer = adapter.serve(
      sessions,
      { ...usualRoutes, ...routes },
      { mounted, mount, ...(errors && { errors }) },
    )
    const server = createServer({ maxHeaderSize }, async (req, res) => {
      if (before && req.url !== '/sign-in') await before(res)
      answer(req, res)
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    whenDone(async () => {
      server.closeAllConnections()
      server.close()
      await medium.end?.()
      await sessions.close()
    })
    const port = portOf(server.address())
    const visitor = () => new Visitor(port)
    const signedIn = async () => {
      const ada = visitor()
      await ada.get('/sign-in')
      medium.begin?.()
      return ada
    }
    return {
      ...medium,
      port,
      sessions,
      log,
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
