import { createHash } from 'node:crypto'
import { channel } from 'node:diagnostics_channel'
import { settled, withDeadline } from './deadline.ts'
import { assertTakesOver } from './former-sessions.ts'
import { Keyring, Signer } from './keys.ts'
import { type Engine, SessionRequest } from './request.ts'
import { givenSecrets, resolveSecrets, weaknessOf } from './secrets.ts'
import { selectStore } from './select-store.ts'
import {
  badSetting,
  resolveSettings,
  type SessionOptions,
  type Settings,
  type StoreFailurePolicy,
  unknownSettings,
} from './settings.ts'
import { hasUserIndex, type SessionStore, type StoreHealth } from './store.ts'
import { isUnavailable, StoreCalls } from './store-calls.ts'
import { elapsedTime } from './timeouts.ts'
import { Updates } from './updates.ts'
import { UserSessions } from './user-sessions.ts'

/** The sessions of an application: give it to `session(sessions)` of `@sojourn/express` or `@sojourn/koa`. */
export class Sessions {
  /**
   * For tools that run several processes: the same in those that accept each other's cookies. It tells nothing of the
   * secret.
   */
  readonly fingerprint: string
  readonly #engine: Engine

  /** @internal Use `openSessions`. */
  constructor(engine: Engine, fingerprint: string) {
    this.#engine = engine
    this.fingerprint = fingerprint
  }

  get store(): SessionStore {
    return this.#engine.store
  }

  get settings(): Settings {
    return this.#engine.settings
  }

  /**
   * All sessions of one user.
   *
   * @throws TypeError if the store can't tell: those with `supports.userIndex` can, Redis, the filesystem and memory
   */
  ofUser(userId: string): UserSessions {
    const { store, settings } = this.#engine
    if (hasUserIndex(store)) return new UserSessions(store, userId, settings)
    throw new TypeError(
      `The ${store.name} store does not know which sessions a user has. Use one of redis, filesystem and memory.`,
    )
  }

  /** For framework adapters: the session's way through one request. */
  begin(
    cookieHeader: string | undefined,
    onStoreFailure: StoreFailurePolicy = this.settings.onStoreFailure,
  ): SessionRequest {
    return new SessionRequest(this.#engine, cookieHeader, onStoreFailure)
  }

  /** For framework adapters: whether `begin` of these sessions made it. */
  owns(request: SessionRequest): boolean {
    return request.isOf(this.#engine)
  }

  /** For framework adapters: says what can't be said to a client. */
  warn(message: string): void {
    this.#engine.logger.warn(message)
  }

  /** For framework adapters: an error that can no longer reach the framework. */
  report(error: unknown): void {
    const { code, message } =
      error instanceof Error && 'code' in error ? error : { code: 'error', message: String(error) }
    this.#engine.logger.error(`Session commit failed (${code}): ${message}${causeOf(error)}`)
  }

  /** How the store is, within `storeTimeout`. If it is down, that is the answer (`reachable: false`), not an error. */
  async health(): Promise<StoreHealth> {
    const begun = performance.now()
    try {
      return await withDeadline(
        settled(() => this.store.health()),
        this.settings.storeTimeout,
      )
    } catch (error) {
      if (!isUnavailable(error)) throw error
      const latency = performance.now() - begun
      return { store: this.store.name, reachable: false, latency, warnings: [error.message] }
    }
  }

  /** Frees what the store holds: connections, timers, files. */
  close(): Promise<void> {
    return this.store.close()
  }
}

/** The codes of what an error was caused by: they say why, and what a message might contain is not told. */
function causeOf(error: unknown): string {
  const cause = error instanceof Error ? error.cause : undefined
  if (!(cause instanceof Error)) return ''
  const code = 'code' in cause ? String(cause.code) : cause.name
  return ` (cause: ${code})${causeOf(cause)}`
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
  for (const name of unknownSettings(options))
    logger.warn(`There is no session setting ${name}: it has no effect.`)
  const keyring = new Keyring(await resolveSecrets(options, env, logger))
  const deriveKeys = (purpose: string) => keyring.derive(purpose, settings.keyPrefix, settings.cookie.name)
  const { store, ...choice } = await selectStore(options, { settings, env, logger, deriveKeys })
  try {
    assertCan(store, settings, options)
  } catch (error) {
    await store.close()
    throw error
  }
  const signer = new Signer(deriveKeys(`token:${store.name}`))
  const calls = new StoreCalls(store, settings.storeTimeout)
  const updates = new Updates(calls, elapsedTime)
  const engine = {
    store,
    calls,
    settings,
    signer,
    updates,
    touching: new Set<string>(),
    logger,
    former: options.takeOver,
  }
  const sessions = new Sessions(engine, fingerprintOf(deriveKeys('fingerprint')))
  // For who runs the application, such as `sojourn serve`, which closes them at the end.
  channel('sojourn:opened').publish({
    ...choice,
    sessions,
    weakness: weaknessOf(givenSecrets(options, env)),
  })
  return sessions
}

/** What is asked for may need a store that can do more. */
function assertCan(store: SessionStore, { maxPerUser }: Settings, { takeOver }: SessionOptions): void {
  if (maxPerUser > 0 && !store.supports.userIndex) {
    throw badSetting(
      'maxPerUser',
      `0 with the ${store.name} store, which does not know what sessions a user has`,
    )
  }
  if (takeOver) assertTakesOver(store)
}

function fingerprintOf(keys: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const key of keys) hash.update(key)
  return hash.digest('hex').slice(0, 16)
}
