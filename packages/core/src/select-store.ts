import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { constants, Script } from 'node:vm'
import { settled, withDeadline } from './deadline.ts'
import { codeOf, SessionError, unavailable } from './errors.ts'
import { openStore as openMemoryStore } from './memory.ts'
import type { Environment, Logger, SessionOptions, Settings } from './settings.ts'
import type { SessionStore, StoreHealth } from './store.ts'
import { isUnavailable } from './store-calls.ts'

/** What a store package's `openStore` gets. */
export interface StoreContext {
  readonly settings: Settings
  readonly env: Environment
  readonly logger: Logger
  /** One 32-byte key per secret of the application, first the current one, for this purpose alone. */
  readonly deriveKeys: (purpose: string) => readonly Uint8Array[]
}

/** What a package must export to be a value of `SESSION_STORE`. It rejects if the store can't be used. */
export type OpenStore = (context: StoreContext) => SessionStore | Promise<SessionStore>

export interface Choice {
  /** `redis`, `filesystem`, `cookie`, `memory` or a package. */
  readonly name: string
  /** For the line at start: which rule chose it. */
  readonly reason: string
}

export interface Selected {
  readonly store: SessionStore
  /** As in `Choice`, or that it is the fallback. */
  readonly reason: string
  /** Why it is not the one that was chosen. */
  readonly trouble?: string
}

/** Milliseconds that a store may take to say why it can't be used, after its own deadline. */
const grace = 100

const ownStores: Readonly<Record<string, string>> = {
  redis: '@sojourn/redis',
  filesystem: '@sojourn/filesystem',
  cookie: '@sojourn/cookie',
}

/** Any of them means Redis; the first that is set counts. */
const redisVariables = ['SESSION_REDIS_CLUSTER', 'SESSION_REDIS_SENTINEL', 'SESSION_REDIS_URL', 'REDIS_URL']

/** Which store: what was asked for, else Redis if its URL is set, else files, but signed cookies under test. */
export function chooseStore(asked: string | undefined, env: Environment): Choice {
  if (asked) return { name: asked, reason: 'the store option' }
  if (env.SESSION_STORE) return { name: env.SESSION_STORE, reason: 'SESSION_STORE' }
  for (const variable of redisVariables) {
    if (env[variable]) return { name: 'redis', reason: `${variable} is set` }
  }
  const runner = testRunner(env)
  if (runner !== null) return { name: 'cookie', reason: `under test: ${runner}` }
  return { name: 'filesystem', reason: 'no Redis URL is set' }
}

/** Opens the store that was chosen, with the fallback that the operator allowed, and says what it did. */
export async function selectStore(options: SessionOptions, context: StoreContext): Promise<Selected> {
  const { store: asked } = options
  const { env, logger } = context
  if (typeof asked === 'object') {
    if (typeof asked?.load !== 'function') {
      throw new SessionError(
        'ERR_SESSION_SETTING',
        "The session setting store must be a store, such as redisStore(...) makes, or the name of one: 'redis', 'filesystem', 'cookie' or 'memory'.",
      )
    }
    for (const name of ['threshold', 'directory', 'keyPrefix'] as const) {
      if (options[name] !== undefined)
        logger.warn(
          `The session setting ${name} has no effect on what a store that is given does: give it to the store.`,
        )
    }
    return announce(asked, 'the store option', context)
  }
  const { name, reason } = chooseStore(asked, env)
  const fallback = options.fallback ?? (env.SESSION_FALLBACK || undefined)
  if (fallback !== undefined && fallback !== 'filesystem') {
    throw new SessionError('ERR_SESSION_SETTING', "SESSION_FALLBACK must be 'filesystem', or not set.")
  }
  try {
    return await announce(await open(name, context), reason, context)
  } catch (error) {
    if (name !== 'redis' || fallback === undefined || !isUnavailable(error)) throw error
    logger.warn(
      `${error.message} So sessions are kept in files (SESSION_FALLBACK=filesystem). On several machines each keeps its own, so users will be signed out when another one answers.`,
    )
    return {
      ...(await announce(await open(fallback, context), 'SESSION_FALLBACK', context)),
      trouble: error.message,
    }
  }
}

async function open(name: string, context: StoreContext): Promise<SessionStore> {
  if (name === 'memory') return openMemoryStore()
  const specifier = ownStores[name] ?? name
  const module = await importFromApplication(specifier)
  if (typeof module.openStore !== 'function') {
    throw new SessionError(
      'ERR_SESSION_STORE_MISSING',
      `${specifier} exports no openStore(context), so it is no session store. SESSION_STORE can be redis, filesystem, cookie, memory or a package that exports it.`,
    )
  }
  return module.openStore(context)
}

const applicationFolder = Symbol.for('sojourn.application-folder')

/** For who runs an application that is not the main module: the folder where its packages are, for every copy of this one. */
export function setApplicationFolder(folder: string): void {
  Reflect.set(globalThis, applicationFolder, folder)
}

/** What `setApplicationFolder` was told. */
export function toldApplicationFolder(): string | undefined {
  const told: unknown = Reflect.get(globalThis, applicationFolder)
  return typeof told === 'string' ? told : undefined
}

/** Where packages are looked for first. */
function folderOfMain(): string[] {
  const told = toldApplicationFolder()
  if (told !== undefined) return [told]
  const main = process.argv[1]
  return main ? [dirname(main)] : []
}

/**
 * Imports a package as the application would: from the main module's folder, from the working directory, and at
 * last from here. A strict node_modules (pnpm, Yarn PnP) shows core nothing that the application installed.
 */
async function importFromApplication(specifier: string): Promise<Record<string, unknown>> {
  for (const folder of [...folderOfMain(), process.cwd(), import.meta.dirname]) {
    const importing = importFrom(folder, specifier)
    if (importing !== null) return importing
  }
  const others = Object.values(ownStores).includes(specifier)
    ? ''
    : ' SESSION_STORE can also be redis, filesystem, cookie or memory.'
  throw new SessionError(
    'ERR_SESSION_STORE_MISSING',
    `The session store needs the package ${specifier}, which is not installed.${others} Run: npm install ${specifier}`,
  )
}

/** `null` if the package is not there. */
function importFrom(folder: string, specifier: string): Promise<Record<string, unknown>> | null {
  const module = join(folder, 'importer.js')
  try {
    return import(pathToFileURL(createRequire(module).resolve(specifier)).href)
  } catch (error) {
    if (codeOf(error) !== 'ERR_PACKAGE_PATH_NOT_EXPORTED') return null
    // It can only be imported: `exports` has nothing for `require`, by whose rules the path was looked for.
    const importModuleDynamically = constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
    const script = new Script('specifier => import(specifier)', { filename: module, importModuleDynamically })
    return script.runInThisContext()(specifier)
  }
}

/** Asks the store how it is, so that one that can't be reached fails the start, and says what was chosen. */
async function announce(
  store: SessionStore,
  reason: string,
  { logger, settings }: StoreContext,
): Promise<Selected> {
  const { location, warnings } = await healthOf(store, settings.storeTimeout + grace).catch(
    (error: unknown) => {
      leave(store)
      throw error
    },
  )
  const where = location === undefined ? '' : ` ${location}, verified`
  logger.info(`Session storage initialized: ${store.name}${where} (${reason})`)
  for (const warning of warnings) logger.warn(`Session storage: ${warning}.`)
  return { store, reason }
}

/** Closes it for what it may hold, whatever becomes of that. */
function leave(store: SessionStore): void {
  settled(() => store.close()).catch(() => undefined)
}

async function healthOf(store: SessionStore, timeout: number): Promise<StoreHealth> {
  const health = await withDeadline(
    settled(() => store.health()),
    timeout,
  )
  if (!health.reachable) throw unavailable(new Error(health.warnings.join('; ')))
  return health
}

function testRunner(env: Environment): string | null {
  if (env.NODE_ENV === 'test') return 'NODE_ENV=test'
  if (env.VITEST) return 'Vitest'
  if (env.JEST_WORKER_ID) return 'Jest'
  if (env.NODE_TEST_CONTEXT) return 'node:test'
  if (/[\\/]_?mocha(\.[cm]?js)?$/.test(process.argv[1] ?? '')) return 'Mocha'
  return null
}
