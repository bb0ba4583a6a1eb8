/** A worker that served for so long died of something new; one that did not may never be able to serve. */
export const longEnoughMs = 2_000

/** So many short lives in a row are a crash loop, unless the application was well before. */
export const crashLoop = 7

const firstDelayMs = 50
const longestDelayMs = 5_000

/** Milliseconds to wait after so many short lives in a row; 0 of them is a worker that had lived long enough. */
export function restartDelay(shortLives: number): number {
  return Math.min(firstDelayMs * 2 ** Math.max(0, shortLives - 1), longestDelayMs)
}
