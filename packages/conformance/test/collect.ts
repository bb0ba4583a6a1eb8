import { type OpenHandle, type TestBody, testStore } from '../src/index.ts'

export interface Collected {
  readonly name: string
  readonly body: TestBody
}

export interface Results {
  readonly passed: readonly string[]
  readonly skipped: readonly string[]
  /** The tests that failed, each with why. */
  readonly failed: ReadonlyMap<string, unknown>
}

/** The suite's tests, as any runner gets them. */
export function collect(open: OpenHandle): Collected[] {
  const tests: Collected[] = []
  const describe = (_: string, body: () => void) => body()
  const it = (name: string, body: TestBody) => tests.push({ name, body })
  testStore({ describe, it }, 'a store', open)
  return tests
}

/** Runs the whole suite on a store, all tests at the same time. */
export async function runSuite(open: OpenHandle): Promise<Results> {
  const passed: string[] = []
  const skipped: string[] = []
  const failed = new Map<string, unknown>()
  const run = async ({ name, body }: Collected) => {
    let skips = false
    try {
      await body.call(undefined, { skip: () => (skips = true) })
      ;(skips ? skipped : passed).push(name)
    } catch (error) {
      failed.set(name, error)
    }
  }
  await Promise.all(collect(open).map(run))
  return { passed, skipped, failed }
}
