import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { expiryOf, touchIsDue } from '../src/timeouts.ts'

const limits = fc.record({
  idleTimeout: fc.integer({ min: 1, max: 10 ** 9 }),
  absoluteTimeout: fc.integer({ min: 1, max: 10 ** 10 }),
  touchInterval: fc.integer({ min: 0, max: 10 ** 9 }),
})
const elapsed = fc.integer({ min: 0, max: 10 ** 10 })

describe('timeouts', () => {
  test('R4 R5: a session ends idleTimeout after its last use, and never after absoluteTimeout', () => {
    fc.assert(
      fc.property(limits, elapsed, (limits, used) => {
        const expiry = expiryOf(1000, 1000 + used, limits)
        expect(expiry).toBe(Math.min(1000 + used + limits.idleTimeout, 1000 + limits.absoluteTimeout))
      }),
    )
  })

  test('C3: a touch only ever prolongs, and not within touchInterval of the last', () => {
    fc.assert(
      fc.property(limits, elapsed, elapsed, (limits, first, later) => {
        const before = expiryOf(0, first, limits)
        const next = expiryOf(0, first + later, limits)
        if (!touchIsDue(before, next, limits, false)) return
        expect(next).toBeGreaterThan(before)
        expect(later).toBeGreaterThanOrEqual(Math.min(limits.touchInterval, limits.idleTimeout / 10))
      }),
    )
  })

  test('a session that is used without pause has at least nine tenths of its idleTimeout left', () => {
    fc.assert(
      fc.property(limits, elapsed, elapsed, (limits, first, later) => {
        const roomy = { ...limits, absoluteTimeout: Number.MAX_SAFE_INTEGER }
        const before = expiryOf(0, first, roomy)
        const next = expiryOf(0, first + later, roomy)
        if (touchIsDue(before, next, roomy, false)) return
        expect(before - (first + later)).toBeGreaterThanOrEqual(roomy.idleTimeout * 0.9 - 1)
      }),
    )
  })
})
