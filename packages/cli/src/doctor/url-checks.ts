import { once } from 'node:events'
import { get as getHttp, type IncomingMessage } from 'node:http'
import { get as getHttps } from 'node:https'
import { processHeader, questionHeader } from '../process-header.ts'
import { type Check, failure, ok, warning } from './check.ts'
import { transportCheck } from './cookie-checks.ts'

const parallel = 24
const patience = 10_000

/** What is known of the application's cookie. */
export interface Expected {
  readonly name: string
  /** Whether the cookie is the session itself, so that it changes with it. */
  readonly isWhole: boolean
}

/** Visits a running application as a browser would that nobody signed in with. */
export async function urlChecks(url: URL, { name, isWhole }: Expected): Promise<Check[]> {
  try {
    const first = await visit(url)
    const { statusCode = 0 } = first
    if (statusCode >= 500) return [broken(`${url.origin}${url.pathname} answers ${statusCode}`)]
    const status = ok('url', `${url.origin}${url.pathname} answers ${statusCode}`)
    const found = cookieIn(first, name)
    if (found === undefined) return [status, cookieIsMissing(first, name)]
    const { pair, attributes } = found
    const isSecure = /; *secure/i.test(attributes)
    const transport = transportCheck(isSecure, url)
    const answers = await Promise.all(Array.from({ length: parallel }, () => visit(url, pair)))
    return [
      status,
      ok('url cookie', `${name}=...${attributes}`),
      ...(transport ? [{ ...transport, name: 'url transport' }] : []),
      ...sharingChecks(answers, { name, isWhole }, { pair, statusCode }),
      processCheck(answers),
    ]
  } catch (error) {
    return [
      failure(
        'url',
        `${url.origin} can't be asked: ${reasonOf(error)}`,
        'See that the application runs, and that this is its protocol, address and port.',
      ),
    ]
  }
}

function broken(what: string): Check {
  return failure('url', what, 'See the log of the application, or of the proxy before it.')
}

function cookieIsMissing(answer: IncomingMessage, name: string): Check {
  const others = (answer.headers['set-cookie'] ?? []).map(line => line.split('=', 1)[0])
  if (others.length === 0)
    return warning(
      'url cookie',
      `no cookie ${name} came, which is right where the session is left alone`,
      'Name a path that writes to the session to see whether all processes share it.',
    )
  return warning(
    'url cookie',
    `no cookie ${name} came, but ${others.join(', ')}`,
    'If that is the session, run this with the NODE_ENV of the application, or name its module: both say what the cookie is called.',
  )
}

/** Where a name has several addresses, Node says why for each, and nothing for all. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

/** A session that a process does not know gets a new cookie there. */
function sharingChecks(
  answers: readonly IncomingMessage[],
  { name, isWhole }: Expected,
  first: { readonly pair: string; readonly statusCode: number },
): Check[] {
  const { pair } = first
  const down = answers.filter(({ statusCode = 0 }) => statusCode >= 500).length
  if (down > 0) return [broken(`${down} of ${answers.length} parallel requests failed on the server`)]
  const refused = answers.find(({ statusCode = 0 }) => statusCode >= 400 && statusCode !== first.statusCode)
  if (refused !== undefined)
    return [
      warning(
        'one session',
        `parallel requests were refused with ${refused.statusCode}, so it can not be told whether they saw the same one`,
        'Name a path that answers whoever has a session, and that limits no rates.',
      ),
    ]
  if (isWhole) return []
  const strangers = answers.filter(answer => (cookieIn(answer, name)?.pair ?? pair) !== pair).length
  if (strangers === 0) return [ok('one session', `${answers.length} parallel requests saw the same one`)]
  return [
    failure(
      'one session',
      `${strangers} of ${answers.length} parallel requests were given another one: not every process knows it`,
      'Use a store that all share (SESSION_STORE=filesystem on one machine, redis on several), and one SECRET_KEY for all.',
    ),
  ]
}

function processCheck(answers: readonly IncomingMessage[]): Check {
  const ids = new Set(answers.flatMap(({ headers }) => headers[processHeader] ?? []))
  if (ids.size === 0)
    return ok('processes', 'which ones answered is only told by sojourn serve, on this machine')
  return ok('processes', `${ids.size} answered: ${[...ids].toSorted().join(', ')}`)
}

async function visit(url: URL, cookie?: string): Promise<IncomingMessage> {
  const headers = { [questionHeader]: '1', ...(cookie !== undefined && { cookie }) }
  const get = url.protocol === 'https:' ? getHttps : getHttp
  const request = get(url, { headers, agent: false, signal: AbortSignal.timeout(patience) })
  const [answer] = await once(request, 'response')
  answer.resume()
  await once(answer, 'end')
  return answer
}

function cookieIn(
  { headers }: IncomingMessage,
  name: string,
): { pair: string; attributes: string } | undefined {
  const line = headers['set-cookie']?.find(each => each.startsWith(`${name}=`))
  if (line === undefined) return undefined
  const [pair = '', ...attributes] = line.split(';')
  return { pair, attributes: attributes.map(each => `;${each}`).join('') }
}
