import type { SessionStore } from '@sojourn/core'
import { explain } from '../explain.ts'
import { type Check, failure, fromError, fromWarning, ok } from './check.ts'

/** Milliseconds by which clocks of machines that are kept right hardly ever differ. */
const largestDifference = 1000
/** Milliseconds for which the session that is tried out lives, should its end fail. */
const trialLife = 60_000

/** What its store says of itself, and whether a session can live in it. */
export async function storeChecks(store: SessionStore): Promise<Check[]> {
  try {
    const { location, latency, warnings, details = {} } = await store.health()
    const where = location === undefined ? '' : `${location} `
    return [
      ok(store.name, `${where}answers in ${latency.toFixed(1)} ms`),
      ...clockCheck(details.clockDifference),
      ...Object.entries(details).flatMap(([name, value]) => detailCheck(name, value)),
      ...warnings.map(text => fromWarning(store.name, text)),
      await trial(store),
    ]
  } catch (error) {
    return [fromError(store.name, explain(error))]
  }
}

function detailCheck(name: string, value: string | number): Check[] {
  if (name === 'clockDifference') return []
  return [
    ok(
      name.replace(/[A-Z]/g, letter => ` ${letter.toLowerCase()}`),
      String(value),
    ),
  ]
}

function clockCheck(difference: string | number | undefined): Check[] {
  if (typeof difference !== 'number') return []
  const ahead = `${Math.abs(difference)} ms ${difference < 0 ? 'ahead of' : 'behind'} the store's`
  if (Math.abs(difference) <= largestDifference) return [ok('clock', `that of this process is ${ahead}`)]
  return [
    failure(
      'clock',
      `that of this process is ${ahead}, so sessions end too early or too late`,
      'Set the clocks of both machines by NTP: timedatectl set-ntp true',
    ),
  ]
}

/** Does what requests do. */
async function trial(store: SessionStore): Promise<Check> {
  const now = Date.now()
  const begun = performance.now()
  try {
    const { token } = await store.create({ data: {}, createdAt: now, expiresAt: now + trialLife })
    const changed = await store.update(token, { set: { tried: 'out' } })
    const current = changed.status === 'written' ? changed.token : token
    const loaded = await store.load(current)
    await store.destroy(current)
    if (changed.status !== 'written' || loaded?.record.data.tried !== 'out')
      return failure(
        'a session',
        'was begun, and its change was not kept',
        'Check what else uses this store.',
      )
    return ok(
      'a session',
      `was begun, changed, read and ended in ${(performance.now() - begun).toFixed(1)} ms`,
    )
  } catch (error) {
    if (isFull(error))
      return failure(
        'a session',
        'could not be begun: no space is left',
        'Free some, or let SESSION_DIR name another disk.',
      )
    return fromError('a session', `could not be begun: ${explain(error)}`)
  }
}

function isFull(error: unknown): boolean {
  return error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT')
}
