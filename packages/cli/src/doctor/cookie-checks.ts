import type { Settings } from '@sojourn/core'
import { type Check, failure, ok, warning } from './check.ts'

/** The cookie's settings, against where the application is: `at` if that is known. */
export function cookieChecks(
  { cookie, production }: Settings,
  trustsProxy: boolean | undefined,
  at: URL | undefined,
): Check[] {
  const checks = [ok('cookie', `${cookie.name}${cookie.attributes}`)]
  if (!production)
    checks.push(
      warning(
        'mode',
        'NODE_ENV is not production, so all is checked as for development',
        'Run with NODE_ENV=production.',
      ),
    )
  const transport = at && transportCheck(cookie.secure, at)
  if (transport) checks.push(transport)
  if (cookie.secure && trustsProxy === false) {
    checks.push(
      warning(
        'proxy',
        "cookies are Secure, so a proxy must end TLS, and the application does not trust one: to it each client has the proxy's address and no TLS",
        "app.set('trust proxy', 1) in Express, or app.proxy = true in Koa",
      ),
    )
  }
  return checks
}

/** What browsers do with the cookie there. */
export function transportCheck(isSecure: boolean, { protocol, hostname }: URL): Check | undefined {
  if (protocol === 'https:') {
    if (isSecure) return ok('transport', 'a Secure cookie over https')
    return warning(
      'transport',
      'the cookie is not Secure, though it comes over https',
      'Run with NODE_ENV=production.',
    )
  }
  if (!isSecure)
    return isLocal(hostname)
      ? undefined
      : warning(
          'transport',
          'the cookie goes over plain http, where anybody on the way can read it',
          'Serve https and run with NODE_ENV=production.',
        )
  if (isLocal(hostname))
    return ok('transport', 'a Secure cookie over http: most browsers take it, from this machine alone')
  return failure(
    'transport',
    'the cookie is Secure and the application is reached over http: browsers drop it, and users stay signed out',
    'Serve https: let a proxy end TLS. For http in development, do not set NODE_ENV=production.',
  )
}

function isLocal(hostname: string): boolean {
  return /^(localhost|.*\.localhost|127\.[\d.]+|\[::1\])$/.test(hostname)
}
