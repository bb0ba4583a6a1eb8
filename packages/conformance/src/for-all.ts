import fc from 'fast-check'

const runs = 100
/** Enough for all runs on most stores. Twice that, if one fails, is within the five seconds that Vitest and Jest give a test. */
const patience = 2000

/**
 * Looks for a value for which the check fails, among 100 at random or as many as a slow store has time for. The error
 * names the smallest one that was found, and the seed with which fast-check finds it again.
 */
export async function forAll<T>(values: fc.Arbitrary<T>, check: (value: T) => Promise<void>): Promise<void> {
  let deadline = Date.now() + patience
  let failed = false
  const checkInTime = async (value: T) => {
    if (Date.now() >= deadline) return
    try {
      await check(value)
    } catch (error) {
      // From here on it looks for a smaller one, and has as much time for that.
      if (!failed) deadline = Date.now() + patience
      failed = true
      throw error
    }
  }
  await fc.assert(fc.asyncProperty(values, checkInTime), { numRuns: runs, includeErrorInReport: true })
}
