import { randomBytes } from 'node:crypto'
import { Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment, SessionStore, Settings } from '@sojourn/core'
import { chooseStore, resolveSettings, selectStore, setApplicationFolder } from '@sojourn/core/setup'
import { givenSecrets, Keyring } from '@sojourn/core/store-kit'
import { explain } from '../explain.ts'
import { load, trustsProxy } from '../load-app.ts'
import { type Check, failure, fromError, ok, warning } from './check.ts'
import { secretCheck, secretCheckOf } from './secret-check.ts'

/** What an application has: as far as it could be opened. */
export interface Subject {
  readonly checks: readonly Check[]
  /** One for each that the application opened. */
  readonly opened: readonly OpenedSessions[]
  readonly trustsProxy?: boolean | undefined
}

export interface OpenedSessions {
  readonly settings: Settings
  /** Unless it could not be opened. */
  readonly store?: SessionStore
}

/** Milliseconds for a module to be loaded and to open sessions, after which what it has opened until then is looked at. */
const patience = 10_000
/** Milliseconds for the next sessions to be opened, by a function that the module has called. */
const soon = 500

/** Opens what an application in this environment and working directory would, if it leaves all to the environment. */
export async function fromEnvironment(env: Environment): Promise<Subject> {
  setApplicationFolder(process.cwd())
  const checks = [secretCheck(env)]
  let settings: Settings
  try {
    settings = resolveSettings({}, env)
  } catch (error) {
    return { checks: [...checks, fromError('settings', explain(error))], opened: [] }
  }
  const { name, reason } = chooseStore(undefined, env)
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  try {
    const context = { settings, env, logger, deriveKeys: keysFor(settings, env) }
    const selected = await selectStore({}, context)
    checks.push(...storeChoice(selected.store, selected))
    return { checks, opened: [{ settings, store: selected.store }] }
  } catch (error) {
    checks.push(ok('store', `${name}, because ${reason}`), fromError(name, explain(error)))
    return { checks, opened: [{ settings }] }
  }
}

/**
 * Loads an application's module, and takes from it the sessions that it opens, or that a function does which it calls. It
 * need export nothing, and may listen: it gets any free port then, because its own may be that of the application that runs.
 */
export async function fromModule(url: string, env: Environment): Promise<Subject> {
  listenAnywhere()
  const { opened, loaded } = load(url)
  const deadline = performance.now() + patience
  try {
    const module = await Promise.race([loaded, sleep(patience)])
    for (let before = -1; opened.length === 0 || opened.length !== before; ) {
      if (performance.now() > deadline) break
      before = opened.length
      await sleep(soon)
    }
    const late = `${url} has not been loaded within ${patience / 1000} s`
    if (opened.length === 0) {
      const found = module === undefined ? late : `${url} opens no sessions`
      return { checks: [failure('module', found, 'Call openSessions() while it is loaded.')], opened: [] }
    }
    const checks = opened.flatMap(({ sessions: { store }, weakness, ...choice }) => [
      secretCheckOf(weakness, env),
      ...storeChoice(store, choice),
    ])
    if (module === undefined) checks.unshift(warning('module', late, 'See what it waits for.'))
    return {
      checks,
      opened: opened.map(({ sessions }) => sessions),
      trustsProxy: trustsProxy(module?.app),
    }
  } catch (error) {
    return { checks: [fromError('module', explain(error))], opened: [] }
  }
}

function storeChoice(
  store: SessionStore,
  { reason, trouble }: { readonly reason: string; readonly trouble?: string },
): Check[] {
  const choice = ok('store', `${store.name}, because ${reason}`)
  return trouble === undefined ? [choice] : [choice, { ...fromError('fallback', trouble), status: 'warning' }]
}

/** For this process. */
function listenAnywhere(): void {
  const { listen } = Server.prototype
  Server.prototype.listen = function (this: Server, ...args: unknown[]) {
    const done = args.find(each => typeof each === 'function')
    return Reflect.apply(listen, this, [{ port: 0, host: '127.0.0.1' }, done])
  }
}

/** Without a secret any will do: nothing that is signed here leaves. */
function keysFor({ keyPrefix, cookie }: Settings, env: Environment): (purpose: string) => Uint8Array[] {
  const given = givenSecrets({}, env)
  const keyring = new Keyring(given.length > 0 ? given : [randomBytes(32).toString('hex')])
  return purpose => keyring.derive(purpose, keyPrefix, cookie.name)
}
