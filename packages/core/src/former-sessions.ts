import { createHash } from 'node:crypto'
import { settled, withDeadline } from './deadline.ts'
import { SessionError } from './errors.ts'
import type { Settings } from './settings.ts'
import { createsAs, type Loaded, type SessionRecord, type SessionStore } from './store.ts'
import type { Patience, StoreCalls } from './store-calls.ts'
import { currentTime, elapsedTime, expiryOf } from './timeouts.ts'
import { assertUserId } from './user-sessions.ts'

/** A session of another library, as it stands there. */
export interface FormerSession {
  /** What JSON can hold. Keys with the name of a control, but for `flash`, are left behind. */
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

/** The token of the session that takes over the one with this id: the same for all requests, whichever comes first. */
export function tokenFor(formerId: string): string {
  return createHash('sha256').update(`sojourn:former:${formerId}`).digest('base64url')
}

/**
 * The session under `token`, which is the former one's from its first use on. What it was taken over from is ended before this
 * is answered: after a sign-out its cookie leads nowhere.
 */
export async function takeOver(
  { former, calls, settings }: Sides,
  id: string,
  token: string,
  patience: Patience,
): Promise<Loaded | null> {
  const inTime = async <T>(ask: () => Promise<T>) => {
    const end = elapsedTime() + patience.left
    const value = await withDeadline(settled(ask), patience.left)
    patience.left = Math.max(0, end - elapsedTime())
    return value
  }
  let loaded = await calls.load(token, patience)
  if (loaded === null) {
    const session = await inTime(() => former.load(id))
    if (session !== null) {
      const record = recordOf(session, settings)
      const lastExpiry = record.createdAt + settings.absoluteTimeout
      // Whatever limit of sessions a user has: nobody is signed out by this one, nor is it refused.
      loaded = await calls.createAs(token, record, patience, { lastExpiry })
    }
    // Another request was faster: in this process, or in between in another one.
    loaded ??= await calls.load(token, patience)
    if (session === null) return loaded
  }
  await inTime(() => former.destroy(id))
  return loaded
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
  const { cookie: _theirs, ...kept } = data
  return {
    data: maxAge === undefined ? kept : { ...kept, cookie: { maxAge } },
    ...(userId !== undefined && { userId }),
    createdAt: now,
    expiresAt: expiryOf(now, now, settings),
  }
}
