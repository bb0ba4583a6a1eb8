import { randomBytes } from 'node:crypto'
import { Server } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Environment, SessionStore, Settings } from '@sojourn/core'
import { chooseStore, resolveSettings, selectStore, setApplicationFolder } from '@sojourn/core/setup'
import { givenSecrets, Keyring } from '@sojourn/core/store-kit'
import { explain } from '../explain.ts'
import { load, type Opened, trustsProxy } from '../load-app.ts'
import { relayConsole } from '../relay-console.ts'
import { type Check, failure, fromError, fromWarning, ok, warning } from './check.ts'
import { secretCheck, secretCheckOf } from './secret-check.ts'

/** What an application has: as far as it could be opened. */
export interface Subject {
  readonly checks: readonly Check[]
  /** One for each that the application opened. */
  readonly opened: readonly OpenedSessions[]
  readonly trustsProxy?: boolean | undefined
  readonly close: () => Promise<void>
}

export interface OpenedSessions {
  readonly settings: Settings
  /** Unless it could not be opened. */
  readonly store?: SessionStore
}

/** Milliseconds for a module to be loaded, after which what it has opened until then is looked at. */
const patience = 10_000

const nothing = async () => undefined

/** Opens what an application in this environment and working directory would, if it leaves all to the environment. */
export async function fromEnvironment(env: Environment): Promise<Subject> {
  setApplicationFolder(process.cwd())
  const checks = [secretCheck(env)]
  let settings: Settings
  try {
    settings = resolveSettings({}, env)
  } catch (error) {
    return { checks: [...checks, fromError('settings', explain(error))], opened: [], close: nothing }
  }
  const { name, reason } = chooseStore(undefined, env)
  const said: Check[] = []
  const warn = (text: string) => void said.push(fromWarning('store', text))
  const logger = { info: () => undefined, warn, error: warn }
  try {
    const store = await selectStore({}, { settings, env, logger, deriveKeys: keysFor(settings, env) })
    // The store's own warnings are asked for again.
    const fallback = said.filter(({ found }) => !found.startsWith('Session storage: '))
    checks.push(ok('store', `${store.name}, because ${reason}`), ...fallback)
    return { checks, opened: [{ settings, store }], close: () => store.close() }
  } catch (error) {
    checks.push(ok('store', `${name}, because ${reason}`), fromError(name, explain(error)))
    return { checks, opened: [{ settings }], close: nothing }
  }
}

/**
 * Loads an application's module, and takes from it the sessions that it opens. It need export nothing, and may listen: it
 * gets any free port then, because its own may be that of the application that runs.
 */
export async function fromModule(url: string, env: Environment): Promise<Subject> {
  process.argv.splice(2)
  listenAnywhere()
  const said: string[] = []
  const restoreConsole = relayConsole((_to, text) => said.push(text))
  const tellAll = () => process.stderr.write(said.map(line => `${line}\n`).join(''))
  process.once('exit', tellAll)
  const { opened, loaded } = load(url)
  const close = async () => {
    await Promise.all(opened.map(({ sessions }) => sessions.close()))
  }
  try {
    const module = await Promise.race([loaded, sleep(patience, undefined, { ref: false })])
    const late = `${url} has not been loaded within ${patience / 1000} s`
    if (opened.length === 0) {
      const found = module === undefined ? late : `${url} opens no sessions`
      return {
        checks: [failure('module', found, 'Call openSessions() while it is loaded.')],
        opened: [],
        close,
      }
    }
    const checks = [
      ...(module === undefined ? [warning('module', late, 'See what it waits for.')] : []),
      ...opened.flatMap(each => [secretCheckOf(each.weakness, env), storeCheck(each, said)]),
    ]
    return {
      checks,
      opened: opened.map(({ sessions }) => sessions),
      trustsProxy: trustsProxy(module?.app),
      close,
    }
  } catch (error) {
    return { checks: [fromError('module', explain(error))], opened: [], close }
  } finally {
    process.off('exit', tellAll)
    restoreConsole()
  }
}

/** What was said at start tells more, if it was said to the console. */
function storeCheck({ sessions: { store } }: Opened, said: readonly string[]): Check {
  const announced = 'Session storage initialized: '
  const line = said.find(each => each.startsWith(`${announced}${store.name} `))
  return ok('store', line?.slice(announced.length) ?? store.name)
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
