import type { RequestListener } from 'node:http'
import type { Sessions } from '@sojourn/core'

/** What a worker serves. */
export interface App {
  readonly listener: RequestListener
  /** The application's sessions, if its module exports them. */
  readonly sessions: OpenSessions | undefined
  /** Frees what the application holds, once the last answer has left. */
  readonly close: () => Promise<void>
}

type OpenSessions = Pick<Sessions, 'store' | 'close'>

interface Exports {
  readonly default?: unknown
  readonly app?: unknown
  readonly sessions?: unknown
  readonly close?: unknown
}

/**
 * Loads a module and takes from it:
 * - `default` or `app`: an Express app, a Koa app, a request listener, or a promise of one;
 * - `close`: called at shutdown after the last answer; else the `close` of `sessions`.
 *
 * @param url of an ES module, a CommonJS module, or a TypeScript one where Node runs it
 * @throws TypeError if the module exports nothing that can be served; whatever the module itself throws
 */
export async function loadApp(url: string): Promise<App> {
  const exported = unwrap(await import(url))
  const app = await (exported.default ?? exported.app)
  const listener = toListener(app)
  if (listener === undefined) {
    throw new TypeError(
      `${url} exports nothing to serve. Make its default export, or the one named app, an Express app, a Koa app or a request listener (req, res) => ...`,
    )
  }
  const sessions = isSessions(exported.sessions) ? exported.sessions : undefined
  const { close } = exported
  return {
    listener,
    sessions,
    close: async () => {
      await (typeof close === 'function' ? close() : sessions?.close())
    },
  }
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

function isSessions(value: unknown): value is OpenSessions {
  return isObject(value) && 'store' in value && 'close' in value && typeof value.close === 'function'
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}
