import { createHash } from 'node:crypto'
import { isDamaged, SessionError } from './errors.ts'
import { mostTokens } from './sent-tokens.ts'
import type { Settings } from './settings.ts'
import { createsAs, type Loaded, type SessionRecord, type SessionStore } from './store.ts'
import { inTime, type Patience, type StoreCalls } from './store-calls.ts'
import { currentTime, expiryOf } from './timeouts.ts'
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

/** What takes part in a take-over. */
export interface Sides {
  readonly former: FormerSessions
  readonly calls: StoreCalls
  readonly settings: Settings
  /** False if the store may end live sessions to stay under a limit. */
  readonly lasting: boolean
}

/** As with our own tokens: no more than happen by accident, and the same answer in every order. */
export function formerIdsIn(former: FormerSessions | undefined, cookieHeader: string | undefined): string[] {
  if (!former || cookieHeader === undefined) return []
  return [...new Set(former.idsIn(cookieHeader))].sort().slice(0, mostTokens)
}

/** The session that goes on from a former one: its own token, and what stands under it, if it still lives. */
export interface TakenOver {
  readonly token: string
  readonly loaded: Loaded | null
}

/**
 * The session that goes on from the former one with this id; `null` if there was none. Which one it is stands in a record of its
 * own, the claim: whoever comes first makes it, and it stays when the session ends, so that a request in flight, which still saw
 * the former session, can't bring back what was signed out meanwhile. The former session is ended before this is answered.
 */
export async function takeOver(sides: Sides, id: string, patience: Patience): Promise<TakenOver | null> {
  const { former, calls, settings } = sides
  let claim = await claimOn(calls, id, patience)
  if (claim === null) {
    const session = await inTime(patience, () => former.load(id))
    if (session !== null) {
      const record = recordOf(session, settings)
      const lastExpiry = record.createdAt + settings.absoluteTimeout
      // Whatever limit of sessions a user has: nobody is signed out by this one, nor is it refused.
      const { token, version } = await calls.create(record, patience, { lastExpiry })
      if (await makeClaim(sides, id, { token }, patience)) {
        await inTime(patience, () => former.destroy(id))
        return { token, loaded: { record, version } }
      }
      await calls.destroy(token, patience)
    }
    // Another request was faster.
    claim = await claimOn(calls, id, patience)
    if (claim === null) return null
  }
  // A crash may have kept it, or a server from before the change made it anew.
  await inTime(patience, () => former.destroy(id))
  const { token } = claim
  return token === undefined ? null : { token, loaded: await sound(calls.load(token, patience)) }
}

/** Ends the former session with this id, and what goes on from it, also for a request in flight that saw it. */
export async function endFormer(sides: Sides, id: string, patience: Patience): Promise<void> {
  const { former, calls } = sides
  if (!(await makeClaim(sides, id, {}, patience))) {
    const token = (await claimOn(calls, id, patience))?.token
    if (token !== undefined) await calls.destroy(token, patience)
  }
  await inTime(patience, () => former.destroy(id))
}

/** Which session goes on from a former one; none, if that was ended. */
interface Claim {
  readonly token?: string
}

/** The token of the claim. No browser gets it. */
function claimTokenFor(formerId: string): string {
  return createHash('sha256').update(`sojourn:former:${formerId}`).digest('base64url')
}

/** False if there is one already. */
async function makeClaim(
  { calls, settings, lasting }: Sides,
  id: string,
  claim: Claim,
  patience: Patience,
): Promise<boolean> {
  const createdAt = currentTime()
  // Where there is a limit of sessions, those expiring soonest go: claims before sessions that were used lately.
  const life = lasting ? settings.absoluteTimeout : settings.idleTimeout / 2
  const record = { data: { ...claim }, createdAt, expiresAt: createdAt + life }
  return calls.createAs(claimTokenFor(id), record, patience).catch((error: unknown) => {
    if (isDamaged(error)) return false
    throw error
  })
}

async function claimOn(calls: StoreCalls, id: string, patience: Patience): Promise<Claim | null> {
  const claim = await sound(calls.load(claimTokenFor(id), patience))
  if (claim === null) return null
  const { token } = claim.record.data
  return typeof token === 'string' ? { token } : {}
}

/** What is damaged is absent: the cookie of another library can't be cleared, so it would be an error until that expires. */
function sound(loading: Promise<Loaded | null>): Promise<Loaded | null> {
  return loading.catch((error: unknown) => {
    if (isDamaged(error)) return null
    throw error
  })
}

/** @throws SessionError ERR_SESSION_SETTING if the store can't take sessions over */
export function assertTakesOver(store: SessionStore): void {
  const { atomicUpdate, sharedAcrossProcesses } = store.supports
  if (createsAs(store) && (atomicUpdate || !sharedAcrossProcesses)) return
  throw new SessionError(
    'ERR_SESSION_SETTING',
    `The session setting takeOver can't work with the store ${store.name}, which can't tell in one step, for all processes, whether a session was taken over. Use Redis or the filesystem.`,
  )
}

function recordOf({ data, userId, maxAge }: FormerSession, settings: Settings): SessionRecord {
  if (userId !== undefined) assertUserId(userId)
  const now = currentTime()
  const { cookie: _theirs, flash, ...kept } = asJson(data)
  return {
    data: {
      ...kept,
      ...(hasMessages(flash) && { flash }),
      ...(maxAge !== undefined && { cookie: { maxAge } }),
    },
    ...(userId !== undefined && { userId }),
    createdAt: now,
    expiresAt: expiryOf(now, now, settings),
  }
}

/** As JSON has it, and as a session can: without a key named `__proto__`, wherever it is. */
function asJson(data: FormerSession['data']): Record<string, unknown> {
  return JSON.parse(JSON.stringify(data), (key, value) => (key === '__proto__' ? undefined : value))
}

/** connect-flash leaves an empty object behind. */
function hasMessages(flash: unknown): boolean {
  return typeof flash === 'object' && flash !== null && !Array.isArray(flash) && Object.keys(flash).length > 0
}
