import assert from 'node:assert/strict'
import type { SessionStore } from '@sojourn/core'
import { closing } from './closing.ts'
import { concurrency } from './concurrency.ts'
import { create } from './create.ts'
import { destroy } from './destroy.ts'
import { expiry } from './expiry.ts'
import { guards } from './guards.ts'
import { hostileTokens } from './hostile-tokens.ts'
import { isolation } from './isolation.ts'
import { load } from './load.ts'
import { namedSessions } from './named-sessions.ts'
import { properties } from './properties.ts'
import { type Check, type OpenHandle, type Runner, skip, type TestBody } from './runner.ts'
import { update } from './update.ts'
import { userIndex } from './user-index.ts'
import { userLimit } from './user-limit.ts'
import { values } from './values.ts'

const suite: Readonly<Record<string, readonly Check[]>> = {
  load,
  create,
  update,
  guards,
  destroy,
  expiry,
  isolation,
  concurrency,
  'hostile tokens': hostileTokens,
  values,
  'user index': userIndex,
  'user limit': userLimit,
  'named sessions': namedSessions,
  'health and close': closing,
  properties,
}

/**
 * Declares the tests of the contract that every session store keeps, with any test runner:
 *
 * ```ts
 * import { describe, it } from 'node:test'
 * import { testStore } from '@sojourn/conformance'
 * import { myStore } from '../src/my-store.ts'
 *
 * testStore({ describe, it }, 'my store', () => myStore('localhost:7000'))
 * ```
 *
 * A test whose promise needs an ability that the store's `supports` denies is reported as skipped.
 */
export function testStore(runner: Runner, name: string, open: OpenHandle): void {
  runner.describe(`${name} keeps the contract of a session store`, () => {
    for (const [operation, checks] of Object.entries(suite)) {
      runner.describe(operation, () => {
        for (const check of checks) runner.it(titleOf(check), testOf(check, open))
      })
    }
  })
}

/** Names what the test needs, so that nobody takes it for done where a runner can't say "skipped". */
function titleOf({ promise, needs = [] }: Check): string {
  return needs.length === 0 ? promise : `${promise} (if supports.${needs.join(' and ')})`
}

function testOf(check: Check, open: OpenHandle): TestBody {
  return async function (this: unknown, ...context) {
    const members = Reflect.ownKeys(Object.prototype)
    const store = await open()
    const opened: SessionStore[] = [store]
    try {
      const lacking = check.needs?.find(ability => !store.supports[ability])
      if (lacking !== undefined) {
        skip(this, context[0], `${store.name} says supports.${lacking}: false`)
        return
      }
      const other = store.supports.sharedAcrossProcesses ? await open() : store
      opened.push(other)
      await check.run({ store, other })
      // Whatever was asked of the store: nothing may leak into all objects of the process.
      assert.deepEqual(Reflect.ownKeys(Object.prototype), members, 'Object.prototype has other members')
    } finally {
      // A handle that can't close is the business of one test, and must not hide why another one failed.
      await Promise.allSettled(opened.map(handle => handle.close()))
    }
  }
}
