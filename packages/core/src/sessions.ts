import { withDeadline } from './deadline.ts'
import { Keyring, Signer } from './keys.ts'
import { type Engine, SessionRequest } from './request.ts'
import { resolveSecrets } from './secrets.ts'
import { selectStore } from './select-store.ts'
import { resolveSettings, type SessionOptions, type Settings } from './settings.ts'
import type { SessionStore, StoreHealth } from './store.ts'
import { currentTime } from './timeouts.ts'
import { Updates } from './updates.ts'

/** The sessions of an application: give it to `session(sessions)` of `@sojourn/express` or `@sojourn/koa`. */
export class Sessions {
  readonly #engine: Engine

  /** @internal Use `openSessions`. */
  constructor(engine: Engine) {
    this.#engine = engine
  }

  get store(): SessionStore {
    return this.#engine.store
  }

  get settings(): Settings {
    return this.#engine.settings
  }

  /** For framework adapters: the session's way through one request. */
  begin(cookieHeader: string | undefined): SessionRequest {
    return new SessionRequest(this.#engine, cookieHeader)
  }

  /** For framework adapters: says what can't be said to a client. */
  warn(message: string): void {
    this.#engine.logger.warn(message)
  }

  /** For framework adapters: an error that can no longer reach the framework. */
  report(error: unknown): void {
    const { code, message } =
      error instanceof Error && 'code' in error ? error : { code: 'error', message: String(error) }
    this.#engine.logger.error(`Session commit failed (${code}): ${message}`)
  }

  /** @throws SessionError ERR_SESSION_STORE_UNAVAILABLE if the store does not answer within `storeTimeout` */
  health(): Promise<StoreHealth> {
    return withDeadline(this.store.health(), this.settings.storeTimeout)
  }

  /** Frees what the store holds: connections, timers, files. */
  close(): Promise<void> {
    return this.store.close()
  }
}

/**
 * Opens the sessions of an application: settings, secrets, store. Call it once per process, before listening.
 *
 * @throws SessionError if a setting, a secret or the store can't be used; the message says what to do
 */
export async function openSessions(options: SessionOptions = {}): Promise<Sessions> {
  const env = options.env ?? process.env
  const logger = options.logger ?? console
  const settings = resolveSettings(options, env)
  const keyring = new Keyring(await resolveSecrets(options, env, logger))
  const deriveKeys = (purpose: string) =>
    keyring.derive(`${purpose}:${settings.keyPrefix}:${settings.cookie.name}`)
  const store = await selectStore(options, { settings, env, logger, deriveKeys })
  const signer = new Signer(deriveKeys(`token:${store.name}`))
  const within = <T>(answer: Promise<T>) => withDeadline(answer, settings.storeTimeout)
  const updates = new Updates(
    {
      load: token => within(store.load(token)),
      update: (token, change) => within(store.update(token, change)),
    },
    currentTime,
  )
  return new Sessions({ store, settings, signer, updates, logger })
}
