/// <reference path="./express-session.d.ts" />

import type { SessionStore } from '@sojourn/core'
import { type KeyvAdapter, keyvStore } from '@sojourn/keyv'
import session from 'express-session'
import { type ExpressSessionStore, PromisedStore } from './express-session-store.ts'

export interface FromExpressSessionStoreOptions {
  /** Default: `express-session-store`. */
  readonly name?: string
  /** Whether other processes see the same sessions. Default: true, but for express-session's MemoryStore. */
  readonly sharedAcrossProcesses?: boolean
}

/**
 * Any store of express-session as a store of Sojourn: `fromExpressSessionStore(new RedisStore({ client }))`.
 *
 * Such a store can read, write and delete whole sessions, so changes are atomic among the requests of one process only
 * (`supports.atomicUpdate` is false), and a change in flight in another process can bring back what was destroyed. It stays
 * open when the sessions are closed: close what you gave it.
 */
export function fromExpressSessionStore(
  store: ExpressSessionStore,
  options: FromExpressSessionStoreOptions = {},
): SessionStore {
  const { name = 'express-session-store', sharedAcrossProcesses } = options
  return keyvStore(new SessionAdapter(store), {
    name,
    keyPrefix: '',
    sharedAcrossProcesses: sharedAcrossProcesses ?? !(store instanceof session.MemoryStore),
  })
}

/** Keeps texts in sessions of express-session, whose cookie says how long they live. */
class SessionAdapter implements KeyvAdapter {
  readonly #store: PromisedStore

  constructor(store: ExpressSessionStore) {
    this.#store = new PromisedStore(store)
  }

  async get(key: string): Promise<unknown> {
    return (await this.#store.get(key))?.sojourn
  }

  async set(key: string, value: string, ttl: number): Promise<void> {
    const cookie = { path: '/', httpOnly: true, originalMaxAge: ttl, expires: new Date(Date.now() + ttl) }
    const session = { cookie, sojourn: value }
    await this.#store.set(key, session)
  }

  async delete(key: string): Promise<void> {
    await this.#store.destroy(key)
  }
}
