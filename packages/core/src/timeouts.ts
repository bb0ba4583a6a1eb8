/** The limits of a session on the server, in milliseconds. */
export interface Limits {
  readonly idleTimeout: number
  readonly absoluteTimeout: number
  readonly touchInterval: number
}

/** Epoch ms at which a session ends that is used now: idle too long, or too long since the sign-in. */
export function expiryOf(createdAt: number, now: number, limits: Limits): number {
  return Math.min(now + limits.idleTimeout, createdAt + limits.absoluteTimeout)
}

/**
 * Epoch ms of the last use, to within the touch interval. From where the absolute limit ends the session, use moves the
 * expiry no more: then the last use was this or later.
 */
export function lastUseOf(createdAt: number, expiresAt: number, limits: Limits): number {
  return Math.max(createdAt, expiresAt - limits.idleTimeout)
}

/**
 * Whether moving the expiry is worth a write. A short idle timeout is kept to within a tenth of itself.
 *
 * @param ownClock whether the store counts by a clock of its own: an expiry that lies further ahead than any use now could
 * move it was written by a clock that is ahead, and the store will end the session earlier than it says
 */
export function touchIsDue(expiresAt: number, next: number, limits: Limits, ownClock: boolean): boolean {
  const interval = Math.min(limits.touchInterval, limits.idleTimeout / 10)
  const later = ownClock ? Math.abs(next - expiresAt) : next - expiresAt
  return later > 0 && later >= interval
}

/** Milliseconds by a clock that nobody can set: for deadlines. */
export function elapsedTime(): number {
  return performance.now()
}

/** The one place where core asks what time it is. */
export function currentTime(): number {
  return Date.now()
}
