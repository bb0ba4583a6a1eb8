/** So many short lives in a row are a crash loop, unless any worker ever lived longer. */
export const crashLoop = 7

/** Who ended a worker. */
export type Cause = 'itself' | 'others'

/**
 * Milliseconds that a worker must have served for its life to be no short one. What ended by itself sooner than this may
 * never be able to serve; what was killed by others says less of the application.
 */
export const longEnoughMs: Readonly<Record<Cause, number>> = { itself: 60_000, others: 500 }

export const firstDelayMs = 50
const longestDelayMs = 5_000

/** Milliseconds to wait after so many short lives in a row; 0 of them is a worker that had lived long enough. */
export function restartDelay(shortLives: number): number {
  return Math.min(firstDelayMs * 2 ** Math.max(0, shortLives - 1), longestDelayMs)
}
