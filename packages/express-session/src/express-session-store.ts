/** What express-session's stores hold; Date objects may be text, as they come back from most stores. */
export interface ExpressSession {
  readonly cookie: object
}

/** What is needed of a store of express-session: every one fits. */
export interface ExpressSessionStore {
  get(sid: string, callback: (error?: unknown, session?: unknown) => void): unknown
  set(sid: string, session: ExpressSession, callback: (error?: unknown) => void): unknown
  destroy(sid: string, callback: (error?: unknown) => void): unknown
}

/** A store of express-session, with promises. */
export class PromisedStore {
  readonly #store: ExpressSessionStore

  constructor(store: ExpressSessionStore) {
    this.#store = store
  }

  async get(sid: string): Promise<Readonly<Record<string, unknown>> | null> {
    const session = await ask(done => this.#store.get(sid, done)).catch(ignoreAbsence)
    return isObject(session) ? session : null
  }

  async set(sid: string, session: ExpressSession): Promise<void> {
    await ask(done => this.#store.set(sid, session, done))
  }

  async destroy(sid: string): Promise<void> {
    await ask(done => this.#store.destroy(sid, done)).catch(ignoreAbsence)
  }
}

function ask(call: (done: (error?: unknown, value?: unknown) => void) => unknown): Promise<unknown> {
  return new Promise((resolve, reject) => {
    call((error, value) => (error ? reject(error) : resolve(value)))
  })
}

/** To express-session, a file that is not there is a session that is not there. */
function ignoreAbsence(error: unknown): undefined {
  if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null
}
