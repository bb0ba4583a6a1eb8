import { createHash } from 'node:crypto'
import { settled, withDeadline } from './deadline.ts'
import { SessionError } from './errors.ts'
import { mostTokens } from './sent-tokens.ts'
import type { Settings } from './settings.ts'
import { createsAs, type Loaded, type SessionRecord, type SessionStore } from './store.ts'
import type { Patience, StoreCalls } from './store-calls.ts'
import { currentTime, elapsedTime, expiryOf } from './timeouts.ts'
import { assertUserId } from './user-sessions.ts'

/** A session of another library, as it stands there. */
export interface FormerSession {
  /** Kept as JSON has it. Keys with the name of a control, but for `flash`, are left behind. */
  readonly data: Readonly<Record<string, unknown>>
  /** Whom it belongs to, if somebody signed in. */
  readonly userId?: string | undefined
  /** Milliseconds; if its cookie outlives the browser, so does the new one. */
  readonly maxAge?: number | undefined
}

/** The sessions that an application had with another library: see the option `takeOver`. */
export interface FormerSessions {
  /** The ids in this Cookie header whose signature is good. Linear in its length, never throws. */
  idsIn(cookieHeader: string): readonly string[]
  /** `null` if there is no such session. Down: rejects. */
  load(id: string): Promise<FormerSession | null>
  /** Ends it for good; of what is not there, no error. */
  destroy(id: string): Promise<void>
}

interface Sides {
  readonly former: FormerSessions
  readonly calls: StoreCalls
  readonly settings: Settings
}

/** As with our own tokens: no more than happen by accident, and the same answer in every order. */
export function formerIdsIn(former: FormerSessions | undefined, cookieHeader: string | undefined): string[] {
  if (!former || cookieHeader === undefined) return []
  return former.idsIn(cookieHeader).toSorted().slice(0, mostTokens)
}

/** The session that goes on from a former one: its own token, and what stands under it, if it still lives. */
export interface TakenOver {
  readonly token: string
  readonly loaded: Loaded | null
}

/**
 * The session that goes on from the former one with this id; `null` if there was none. Which one it is stands in a record of its
 * own, the claim: whoever comes first makes it, and it outlives the session, so that a request in flight, which still saw the
 * former session, can't bring back what was signed out meanwhile. The former session is ended before this is answered.
 */
export async function takeOver(
  { former, calls, settings }: Sides,
  id: string,
  patience: Patience,
): Promise<TakenOver | null> {
  const inTime = async <T>(ask: () => Promise<T>) => {
    const end = elapsedTime() + patience.left
    const value = await withDeadline(settled(ask), patience.left)
    patience.left = Math.max(0, end - elapsedTime())
    return value
  }
  const claim = claimFor(id)
  let claimed = await calls.load(claim, patience)
  if (claimed === null) {
    const session = await inTime(() => former.load(id))
    if (session !== null) {
      const record = recordOf(session, settings)
      const lastExpiry = record.createdAt + settings.absoluteTimeout
      // Whatever limit of sessions a user has: nobody is signed out by this one, nor is it refused.
      const { token, version } = await calls.create(record, patience, { lastExpiry })
      const naming = { data: { token }, createdAt: record.createdAt, expiresAt: lastExpiry }
      if ((await calls.createAs(claim, naming, patience)) !== null) {
        await inTime(() => former.destroy(id))
        return { token, loaded: { record, version } }
      }
      await calls.destroy(token, patience)
    }
    // Another request was faster.
    claimed = await calls.load(claim, patience)
  }
  const token = claimed?.record.data.token
  if (typeof token !== 'string') return null
  // A crash may have kept it.
  await inTime(() => former.destroy(id))
  return { token, loaded: await calls.load(token, patience) }
}

/** The token of the record that says which session goes on from the one with this id. No browser gets it. */
function claimFor(formerId: string): string {
  return createHash('sha256').update(`sojourn:former:${formerId}`).digest('base64url')
}

/** @throws SessionError ERR_SESSION_SETTING if the store can't take sessions over */
export function assertTakesOver(store: SessionStore): void {
  if (createsAs(store)) return
  throw new SessionError(
    'ERR_SESSION_SETTING',
    `The session setting takeOver can't work with the store ${store.name}, which keeps no session under a token that is given. Use the filesystem, Redis or a Keyv adapter.`,
  )
}

function recordOf({ data, userId, maxAge }: FormerSession, settings: Settings): SessionRecord {
  if (userId !== undefined) assertUserId(userId)
  const now = currentTime()
  const { cookie: _theirs, ...kept } = asJson(data)
  return {
    data: maxAge === undefined ? kept : { ...kept, cookie: { maxAge } },
    ...(userId !== undefined && { userId }),
    createdAt: now,
    expiresAt: expiryOf(now, now, settings),
  }
}

/** As JSON has it, and as a session can: without a key named `__proto__`, wherever it is. */
function asJson(data: FormerSession['data']): Record<string, unknown> {
  return JSON.parse(JSON.stringify(data), (key, value) => (key === '__proto__' ? undefined : value))
}
