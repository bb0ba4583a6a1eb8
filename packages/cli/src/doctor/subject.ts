import { randomBytes } from 'node:crypto'
import type { Environment, SessionStore, Settings } from '@sojourn/core'
import { chooseStore, resolveSettings, selectStore, setApplicationFolder } from '@sojourn/core/setup'
import { givenSecrets, Keyring } from '@sojourn/core/store-kit'
import { explain } from '../explain.ts'
import { loadApp } from '../load-app.ts'
import { relayConsole } from '../relay-console.ts'
import { type Check, fromError, fromWarning, ok } from './check.ts'
import { secretCheck } from './secret-check.ts'

/** What an application has: as far as it could be opened. */
export interface Subject {
  readonly settings?: Settings
  readonly store?: SessionStore
  readonly trustsProxy?: boolean | undefined
  readonly checks: readonly Check[]
  readonly close: () => Promise<void>
}

const nothing = async () => undefined

/** Opens what an application in this environment and working directory would, if it leaves all to the environment. */
export async function fromEnvironment(env: Environment): Promise<Subject> {
  setApplicationFolder(process.cwd())
  const checks = [secretCheck(env)]
  let settings: Settings
  try {
    settings = resolveSettings({}, env)
  } catch (error) {
    return { checks: [...checks, fromError('settings', explain(error))], close: nothing }
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
    return { settings, store, checks, close: () => store.close() }
  } catch (error) {
    checks.push(ok('store', `${name}, because ${reason}`), fromError(name, explain(error)))
    return { settings, checks, close: nothing }
  }
}

/** Opens an application's module, and takes from it the sessions that it opened. */
export async function fromModule(url: string, env: Environment): Promise<Subject> {
  process.argv.splice(2)
  const said: string[] = []
  const restoreConsole = relayConsole((_to, text) => said.push(text))
  try {
    const app = await loadApp(url)
    const [sessions] = app.sessions
    if (sessions === undefined) {
      const checks = [
        fromError('module', `${url} opens no sessions. Call openSessions() while it is loaded.`),
      ]
      return { checks, close: app.close }
    }
    const { settings, store } = sessions
    const chosen = said.find(line => line.startsWith('Session storage initialized: '))
    const secrets = said.filter(line => /secret/i.test(line)).map(line => fromWarning('secret', line))
    const secret = secrets.length > 0 ? secrets : [ok('secret', 'strong enough for production')]
    const checks = [...secret, ok('store', chosen?.replace(/^[^:]+: /, '') ?? store.name)]
    return { settings, store, trustsProxy: app.trustsProxy, checks, close: app.close }
  } catch (error) {
    return { checks: [secretCheck(env), fromError('module', explain(error))], close: nothing }
  } finally {
    restoreConsole()
  }
}

/** Without a secret any will do: nothing that is signed here leaves. */
function keysFor({ keyPrefix, cookie }: Settings, env: Environment): (purpose: string) => Uint8Array[] {
  const given = givenSecrets({}, env)
  const keyring = new Keyring(given.length > 0 ? given : [randomBytes(32).toString('hex')])
  return purpose => keyring.derive(purpose, keyPrefix, cookie.name)
}
