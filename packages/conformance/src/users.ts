import assert from 'node:assert/strict'
import type { CreateOptions, SessionRecord, SessionStore, UserIndex, UserSession } from '@sojourn/core'
import { idOf } from '@sojourn/core/store-kit'
import { recordOf } from './kit.ts'

/** Users that no other test has; a store may keep sessions of older runs. */
export function newUsers(): [string, string] {
  const run = crypto.randomUUID()
  return [`ada:${run}`, `bob:${run}`]
}

/** Signs a user in, for an hour; the token. */
export async function signIn(
  store: SessionStore,
  userId: string,
  options: CreateOptions = {},
  rest: Partial<SessionRecord> = {},
): Promise<string> {
  const record = recordOf({ a: 1 }, { userId, ...rest })
  const { token } = await store.create(record, { lastExpiry: Date.now() + 2 * 3_600_000, ...options })
  return token
}

/** As core regenerates: the old session ends, the new one takes its place. `undefined` if it had been ended. */
export async function regenerate(
  store: SessionStore,
  userId: string,
  token: string,
): Promise<string | undefined> {
  const outcome = await store.update(token, { expiresAt: 0 })
  if (outcome.status !== 'written') return undefined
  try {
    return await signIn(store, userId, { replaces: { token, userId } })
  } catch (error) {
    assert.equal(codeOf(error), 'ERR_SESSION_GONE', 'what was to be replaced had been ended')
    return undefined
  }
}

export async function sessionsOf(store: SessionStore, userId: string): Promise<UserSession[]> {
  const found: UserSession[] = []
  for await (const session of indexOf(store).listByUser(userId)) found.push(session)
  return found
}

/** What the store lists, sorted. */
export async function listOf(store: SessionStore, userId: string): Promise<string[]> {
  return (await sessionsOf(store, userId)).map(({ token }) => token).sort()
}

/** As a list names the sessions of these tokens, sorted. */
export function namesOf(store: SessionStore, tokens: readonly string[]): string[] {
  return tokens.map(token => idOf(store, token)).sort()
}

export function indexOf(store: SessionStore): UserIndex {
  assert.ok(hasIndex(store), 'supports.userIndex is true, but listByUser or destroyByUser is missing')
  return store
}

function hasIndex(store: SessionStore): store is SessionStore & UserIndex {
  return ['listByUser', 'destroyByUser'].every(method => typeof Reflect.get(store, method) === 'function')
}

/** A session that can be loaded must be listed, whatever else went on. */
export async function mustListTheLiving(
  store: SessionStore,
  userId: string,
  tokens: readonly string[],
): Promise<void> {
  const listed = await listOf(store, userId)
  for (const token of tokens) {
    const isLive = (await store.load(token)) !== null
    assert.equal(
      listed.includes(idOf(store, token)),
      isLive,
      `a session is ${isLive ? 'live and not' : 'gone and'} listed`,
    )
  }
}

export function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : error
}
