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
    const found = cookieIn(first, name)
    const status = ok('url', `${url.origin}${url.pathname} answers ${first.statusCode}`)
    if (found === undefined) {
      return [
        status,
        warning(
          'url cookie',
          `no cookie ${name} came, which is right where the session is left alone`,
          'Name a path that writes to the session to see whether all processes share it.',
        ),
      ]
    }
    const { pair, attributes } = found
    const isSecure = /; *secure/i.test(attributes)
    const transport = transportCheck(isSecure, url)
    const answers = await Promise.all(Array.from({ length: parallel }, () => visit(url, pair)))
    return [
      status,
      ok('url cookie', `${name}=...${attributes}`),
      ...(transport ? [{ ...transport, name: 'url transport' }] : []),
      ...(isWhole ? [] : [sharingCheck(answers, name)]),
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

/** Where a name has several addresses, Node says why for each, and nothing for all. */
function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(reasonOf).join(', ')
  return error instanceof Error ? error.message : String(error)
}

/** A session that a process does not know gets a new cookie there. */
function sharingCheck(answers: readonly IncomingMessage[], name: string): Check {
  const strangers = answers.filter(answer => cookieIn(answer, name) !== undefined).length
  if (strangers === 0) return ok('one session', `${answers.length} parallel requests saw the same one`)
  return failure(
    'one session',
    `${strangers} of ${answers.length} parallel requests were given another one: not every process knows it`,
    'Use a store that all share (SESSION_STORE=filesystem on one machine, redis on several), and one SECRET_KEY for all.',
  )
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
