import { describe } from 'vitest'
import type { Adapter } from './adapter.ts'
import { faultyMedium } from './medium.ts'
import { aborts } from './scenarios/aborts.ts'
import { calls } from './scenarios/calls.ts'
import { committed } from './scenarios/committed.ts'
import { cookies } from './scenarios/cookies.ts'
import { cost } from './scenarios/cost.ts'
import { errors } from './scenarios/errors.ts'
import { firstByte } from './scenarios/first-byte.ts'
import { headers } from './scenarios/headers.ts'
import { outage } from './scenarios/outage.ts'
import { parallel } from './scenarios/parallel.ts'
import { privacy } from './scenarios/privacy.ts'
import { signIn } from './scenarios/sign-in.ts'
import { timeouts } from './scenarios/timeouts.ts'
import { values } from './scenarios/values.ts'
import { withoutStore } from './scenarios/without-store.ts'
import { carriers } from './security/carriers.ts'
import { endings } from './security/endings.ts'
import { inspection } from './security/inspection.ts'
import { production } from './security/production.ts'
import { vary } from './security/vary.ts'
import { siteOpener } from './site.ts'

const scenarios = [
  ...[signIn, calls, firstByte, headers, errors, aborts, parallel, committed],
  ...[cost, timeouts, outage, withoutStore, cookies, values, privacy],
  ...[carriers, endings, production, vary, inspection],
]

/**
 * Registers, in Vitest, every scenario that a framework adapter must pass: over real HTTP, on free ports of
 * 127.0.0.1, with a real store in which chosen calls are slow, fail or hang. C1 to C7 and I6 are promises of
 * contract.md, R1 to R25 lines of security.md.
 */
export function httpConformance(adapter: Adapter): void {
  describe(`${adapter.name} over HTTP`, () => {
    const open = siteOpener(adapter, faultyMedium)
    for (const scenario of scenarios) scenario(open)
  })
}
