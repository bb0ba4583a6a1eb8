import { expect } from 'vitest'

/** No duplicate, 43 characters of base64url, every one of the 256 bits set about half the time. */
export function expectRandom(ids: readonly string[]): void {
  expect(new Set(ids).size).toBe(ids.length)
  const ones = new Array<number>(256).fill(0)
  for (const id of ids) {
    expect(id).toMatch(/^[A-Za-z0-9_-]{43}$/)
    for (const [at, byte] of Buffer.from(id, 'base64url').entries()) {
      for (let bit = 0; bit < 8; bit++) ones[at * 8 + bit] = (ones[at * 8 + bit] ?? 0) + ((byte >> bit) & 1)
    }
  }
  // Seven standard deviations: about one false alarm in 10^9 runs.
  for (const set of ones) expect(Math.abs(set - ids.length / 2)).toBeLessThan(3.5 * Math.sqrt(ids.length))
}
