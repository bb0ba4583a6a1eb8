import { subscribe } from 'node:diagnostics_channel'
import type { RequestListener } from 'node:http'
import type { Server } from 'node:net'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Sessions } from '@sojourn/core'
import { setApplicationFolder } from '@sojourn/core/setup'
import { GracefulServer } from './graceful-server.ts'

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

/** Sessions that an application opened. */
export interface Opened {
  readonly sessions: Sessions
  /** Why they are kept in this store. */
  readonly reason: string
  /** Why they are not kept where they should be. */
  readonly trouble?: string
  /** Of its secret: a sentence that says why production refuses it, or `null`. */
  readonly weakness: string | null
}

/** A module that is being loaded. */
export interface Loading {
  /** So far. */
  readonly opened: readonly Opened[]
  readonly loaded: Promise<Loaded>
}

interface Loaded {
  /** What it exports to be served. */
  readonly app: unknown
  readonly exported: Exports
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
 * @param served what is listened to for it
 * @param warn is told when it listens there itself later; it is served all the same
 * @throws TypeError if the module exports nothing that can be served, or listens to `served` itself; whatever the module
 * itself throws
 */
export async function loadApp(url: string, served: Listening, warn: (text: string) => void): Promise<App> {
  const { opened, loaded } = load(url)
  const { app, exported } = await unlessItListens(url, served, warn, loaded)
  const listener = toListener(app)
  if (listener === undefined) {
    throw new TypeError(
      `${url} exports nothing to serve. Make its default export, or the one named app, an Express app, a Koa app or a request listener (req, res) => ...`,
    )
  }
  return {
    listener,
    sessions: opened.map(({ sessions }) => sessions),
    trustsProxy: trustsProxy(app),
    close: async () => {
      const { close } = exported
      if (typeof close === 'function') await close()
      await Promise.all(opened.map(({ sessions }) => sessions.close()))
    },
  }
}

/** Begins to load a module. Call it once per process or thread. */
export function load(url: string): Loading {
  const opened: Opened[] = []
  subscribe('sojourn:opened', message => {
    if (isOpened(message)) opened.push(message)
  })
  setApplicationFolder(dirname(fileURLToPath(url)))
  return { opened, loaded: importFrom(url) }
}

async function importFrom(url: string): Promise<Loaded> {
  const exported = unwrap(await import(url))
  return { app: await (exported.default ?? exported.app), exported }
}

/** Told at once: the module may wait for ever for an address that is taken by those who serve it. */
function unlessItListens<T>(
  url: string,
  served: Listening,
  warn: (text: string) => void,
  loading: Promise<T>,
): Promise<T> {
  const trouble = `${url} listens to port ${served.port} itself, which is what serve does for it. Only export the app, and let it listen where the module is the main one: if (process.argv[1] === import.meta.filename) app.listen(...)`
  return new Promise((resolve, reject) => {
    let refuse = () => reject(new TypeError(trouble))
    subscribe('tracing:net.server.listen:asyncStart', message => {
      if (!asksToListen(message) || !meets(message.options, served)) return
      // That the address is in use says less.
      message.server.on('error', () => undefined)
      refuse()
    })
    const loaded = () => {
      refuse = () => warn(trouble)
    }
    loading.finally(loaded).then(resolve, reject)
  })
}

/** Both are every address of the machine where no host is named. */
function meets(asked: Partial<Listening>, { port, host = asked.host }: Listening): boolean {
  return Number(asked.port) === port && (asked.host ?? host) === host
}

/** Other than what serves it. */
function asksToListen(message: unknown): message is { server: Server; options: Partial<Listening> } {
  if (!isObject(message) || !('server' in message) || !('options' in message)) return false
  return isObject(message.options) && !(message.server instanceof GracefulServer)
}

function isOpened(message: unknown): message is Opened {
  return isObject(message) && 'sessions' in message && 'weakness' in message
}

/** Express has the setting `trust proxy`, Koa has `proxy`. */
export function trustsProxy(app: unknown): boolean | undefined {
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
