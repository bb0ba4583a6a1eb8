import type { Environment } from '@sojourn/core'
import { givenSecrets, weaknessOf } from '@sojourn/core/store-kit'
import { type Check, failure, ok, warning } from './check.ts'

const makeOne = 'Run sojourn secret and set what it prints as SECRET_KEY, the same for all workers.'
const rotate = 'Run sojourn secret --rotate: it says how to change a key and sign nobody out.'

/** Of the environment. How long it is may be told, nothing else. */
export function secretCheck(env: Environment): Check {
  const secrets = givenSecrets({}, env)
  const weakness = weaknessOf(secrets)
  const [first] = secrets
  const remedy = first === undefined ? makeOne : rotate
  if (weakness !== null) {
    if (env.NODE_ENV === 'production') return failure('secret', weakness, remedy)
    const meanwhile = first === undefined ? ' One made for this project is used.' : ''
    return warning('secret', `${weakness}${meanwhile} Production will refuse to start.`, remedy)
  }
  const former = secrets.length === 1 ? '' : `, and ${secrets.length - 1} former that are still accepted`
  return ok('secret', `a key of ${Buffer.byteLength(first ?? '')} bytes${former}`)
}
