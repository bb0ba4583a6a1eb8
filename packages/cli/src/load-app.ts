import { channel } from 'node:diagnostics_channel'
import type { RequestListener } from 'node:http'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Sessions } from '@sojourn/core'
import { setApplicationFolder } from '@sojourn/core/setup'

/** What a worker serves. */
export interface App {
  readonly listener: RequestListener
  /** All that it opened while it was loaded. */
  readonly sessions: readonly Sessions[]
  /** Whether it believes what a proxy says of a request; undefined if that can't be seen. */
  readonly trustsProxy: boolean | undefined
  /** Frees what the application holds, once the last answer has left. */
  readonly close: () => Promise<void>
}

/** An address to listen to. */
interface Listening {
  readonly port: number
  readonly host?: string | undefined
}

interface Exports {
  readonly default?: unknown
  readonly app?: unknown
  readonly close?: unknown
}

/**
 * Loads a module and takes from it:
 * - `default` or `app`: an Express app, a Koa app, a request listener, or a promise of one;
 * - `close`: called at shutdown after the last answer, before the sessions that it opened are closed.
 *
 * @param url of an ES module, a CommonJS module, or a TypeScript one where Node runs it
 * @param served what is listened to for it, if anything is
 * @throws TypeError if the module exports nothing that can be served, or listens to `served` itself; whatever the module
 * itself throws
 */
export async function loadApp(url: string, served?: Listening): Promise<App> {
  const sessions: Sessions[] = []
  channel('sojourn:opened').subscribe(message => {
    if (isOpened(message)) sessions.push(message.sessions)
  })
  setApplicationFolder(dirname(fileURLToPath(url)))
  const { app, exported } = await unlessItListens(url, served, load(url))
  const listener = toListener(app)
  if (listener === undefined) {
    throw new TypeError(
      `${url} exports nothing to serve. Make its default export, or the one named app, an Express app, a Koa app or a request listener (req, res) => ...`,
    )
  }
  return {
    listener,
    sessions,
    trustsProxy: trustsProxy(app),
    close: async () => {
      const { close } = exported
      if (typeof close === 'function') await close()
      await Promise.all(sessions.map(each => each.close()))
    },
  }
}

async function load(url: string): Promise<{ app: unknown; exported: Exports }> {
  const exported = unwrap(await import(url))
  return { app: await (exported.default ?? exported.app), exported }
}

/** Told at once: the module may wait for ever for an address that is taken by those who serve it. */
function unlessItListens<T>(url: string, served: Listening | undefined, loading: Promise<T>): Promise<T> {
  if (served === undefined) return loading
  return new Promise((resolve, reject) => {
    const listening = channel('tracing:net.server.listen:asyncStart')
    const refuse = (message: unknown) => {
      if (!asksToListen(message) || !meets(message.options, served)) return
      // That the address is in use says less.
      message.server.on('error', () => undefined)
      reject(
        new TypeError(
          `${url} listens to port ${served.port} itself, which is what serve does for it. Only export the app, and let it listen where the module is the main one: if (process.argv[1] === import.meta.filename) app.listen(...)`,
        ),
      )
    }
    listening.subscribe(refuse)
    loading.then(resolve, reject).finally(() => listening.unsubscribe(refuse))
  })
}

/** Both are every address of the machine where no host is named. */
function meets(asked: Partial<Listening>, { port, host = asked.host }: Listening): boolean {
  return Number(asked.port) === port && (asked.host ?? host) === host
}

function asksToListen(message: unknown): message is { server: Server; options: Partial<Listening> } {
  return isObject(message) && 'server' in message && 'options' in message && isObject(message.options)
}

function isOpened(message: unknown): message is { sessions: Sessions } {
  return isObject(message) && 'sessions' in message
}

/** Express has the setting `trust proxy`, Koa has `proxy`. */
function trustsProxy(app: unknown): boolean | undefined {
  if (isKoaApp(app)) return 'proxy' in app && Boolean(app.proxy)
  if (typeof app !== 'function' || !('settings' in app) || !isObject(app.settings)) return undefined
  return 'trust proxy' in app.settings && Boolean(app.settings['trust proxy'])
}

/** A CommonJS module's exports are the default export; compiled from an ES module they have one of their own. */
function unwrap(module: Exports): Exports {
  const { default: inner } = module
  const isApp = toListener(inner) !== undefined
  return isObject(inner) && !isApp && ('default' in inner || 'app' in inner) ? inner : module
}

function toListener(app: unknown): RequestListener | undefined {
  if (isKoaApp(app)) return app.callback()
  return isListener(app) ? app : undefined
}

function isKoaApp(app: unknown): app is { callback(): RequestListener } {
  return isObject(app) && 'callback' in app && typeof app.callback === 'function'
}

function isListener(app: unknown): app is RequestListener {
  return typeof app === 'function'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
