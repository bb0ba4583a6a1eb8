import type { Environment } from '@sojourn/core'
import { givenSecrets, weaknessOf } from '@sojourn/core/store-kit'
import { type Check, failure, ok, warning } from './check.ts'

const makeOne = 'Run sojourn secret and set what it prints as SECRET_KEY, the same for all workers.'
const rotate =
  'Run sojourn secret --rotate: it prints the lines that change the key, and says who is signed out.'
const replace =
  'Run sojourn secret and give all workers what it prints: as SECRET_KEY, or where the module opens its sessions.'

/** Of the environment. How long it is may be told, nothing else. */
export function secretCheck(env: Environment): Check {
  const secrets = givenSecrets({}, env)
  const weakness = weaknessOf(secrets)
  const [first] = secrets
  if (weakness !== null) return weak(weakness, first === undefined ? makeOne : rotate, env)
  const former = secrets.length === 1 ? '' : `, and ${secrets.length - 1} former that are still accepted`
  return ok('secret', `a key of ${Buffer.byteLength(first ?? '')} bytes${former}`)
}

/** Of sessions that were opened: `null` if it is strong. */
export function secretCheckOf(weakness: string | null, env: Environment): Check {
  return weakness === null ? ok('secret', 'strong enough for production') : weak(weakness, replace, env)
}

function weak(weakness: string, remedy: string, env: Environment): Check {
  if (env.NODE_ENV === 'production') return failure('secret', weakness, remedy)
  return warning('secret', `${weakness} Production will refuse to start.`, remedy)
}
