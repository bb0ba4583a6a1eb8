import { codeOf, SessionError } from '@sojourn/core/store-kit'

/** Why Redis did not do what it was asked; stable, for events and operators. */
export type RedisTrouble =
  | 'unreachable'
  | 'timeout'
  | 'overloaded'
  | 'password'
  | 'permission'
  | 'certificate'
  | 'no-tls'
  | 'not-redis'
  | 'loading'
  | 'replica'
  | 'no-master'
  | 'cluster'
  | 'incomplete'
  | 'full'
  | 'disk'
  | 'refused'
  | 'disconnected'

const whatToDo: Readonly<Record<RedisTrouble, string>> = {
  unreachable: 'nothing listens there, or the host is not known. Start Redis, or correct the address',
  timeout:
    'it does not answer in time. Check that it is up and not overloaded, that no firewall is in between, and, for rediss://, that it speaks TLS',
  overloaded:
    'the client itself refuses the command, as it does when as many wait as may (commandsQueueMaxLength); the cause says why',
  password:
    'it refuses the user or the password, or wants one. Correct them in the URL, or leave them out if it has none',
  permission:
    'its user may not do what sessions need. Allow it +get +set +del +strlen +pttl +eval +evalsha, and +time +hget +hset +hdel +hlen +hexists +hgetall +hscan +hrandfield +pexpire for the sessions of a user, on its keys, +select for a database with a number, +role if there are sentinels, and +cluster|slots +asking if it is a Cluster',
  certificate:
    'the TLS connection fails, because its certificate is not trusted or it wants one. Give the certificates: SESSION_REDIS_TLS_CA, _CERT and _KEY name files, and in code there is the option tls',
  'no-tls': 'what answers there speaks no TLS. Use redis:// instead of rediss://, or correct the address',
  'not-redis': 'what answers there is not a Redis. Correct the address',
  loading: 'it is still loading its data. Wait until it is done',
  replica: 'it is a read-only replica. Connect to the master',
  'no-master': 'the sentinels know no master of that name. Correct it',
  cluster:
    'it is one server of a Cluster, and has only some of the sessions. Name its servers in SESSION_REDIS_CLUSTER, or, in code, in rootNodes',
  incomplete:
    'its Cluster is down in part: a master is missing, or its servers do not agree. See CLUSTER INFO and CLUSTER NODES',
  full: 'it is out of memory (maxmemory). Give it more, or let sessions end sooner',
  disk: 'it can not write to its disk, and takes no changes until it can. See its log',
  refused: 'it refuses the command; the cause says why',
  disconnected:
    'the connection broke. If that is always so, the server may want TLS (use rediss://), or have no connection left (maxclients)',
}

const certificateCodes =
  /^(ERR_TLS|ERR_SSL|ERR_OSSL|EPROTO|CERT_|UNABLE_TO_|SELF_SIGNED|DEPTH_ZERO|HOSTNAME_MISMATCH)/
const networkCodes =
  /^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|EADDRNOTAVAIL|ENOENT|EACCES)$/
/** What a server sends that was greeted in TLS and has none. */
const noTlsCodes = /^(ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/
/** What a server answers before the text of an error: a code of its protocol. */
const replies: Readonly<Record<string, RedisTrouble>> = {
  WRONGPASS: 'password',
  NOAUTH: 'password',
  NOPERM: 'permission',
  LOADING: 'loading',
  BUSY: 'timeout',
  READONLY: 'replica',
  MASTERDOWN: 'replica',
  MOVED: 'cluster',
  ASK: 'cluster',
  CLUSTERDOWN: 'cluster',
  OOM: 'full',
  MISCONF: 'disk',
}

/** The code at the beginning of an error that a server answered; `undefined` for an error of the connection. */
export function replyCode(error: unknown): string | undefined {
  return error instanceof Error ? /^([A-Z][A-Z0-9]+)(?: |$)/.exec(error.message)?.[1] : undefined
}

/** True for what node-redis threw that is neither an answer nor an error of the network, both of which have classes of their own. */
export function isPlain(error: unknown): boolean {
  if (!(error instanceof Error) || replyCode(error) !== undefined || 'code' in error) return false
  // Sentinel's client wraps those of its own clients.
  if (error.cause !== undefined) return isPlain(error.cause)
  return [Error, TypeError, RangeError, SyntaxError].some(kind => error.constructor === kind)
}

/** True for what the client itself refuses; if node-redis words it otherwise one day, connections are replaced for nothing. */
export function isQueueFull(error: unknown): boolean {
  return error instanceof Error && (error.message === 'The queue is full' || isQueueFull(error.cause))
}

/** True for an error of a client that found no answer in what came. A full queue that refused its own ping is told the same way. */
export function isGarbled(error: unknown): boolean {
  return isPlain(error) && !isQueueFull(error)
}

export function troubleOf(error: unknown): RedisTrouble {
  if (error instanceof AggregateError && error.errors.length > 0) return troubleOf(error.errors[0])
  const code = codeOf(error) ?? ''
  if (noTlsCodes.test(code)) return 'no-tls'
  if (certificateCodes.test(code)) return 'certificate'
  if (networkCodes.test(code)) return 'unreachable'
  if (code === 'ETIMEDOUT') return 'timeout'
  const reply = replyCode(error)
  // Before Redis 6, a missing or wrong password is a plain ERR.
  if (reply === 'ERR' && error instanceof Error && /AUTH|password/.test(error.message)) return 'password'
  if (error instanceof Error && /can't run this command/.test(error.message)) return 'permission'
  if (reply !== undefined) return replies[reply] ?? 'refused'
  if (error instanceof Error && error.message.startsWith('Unknown RESP type')) return 'not-redis'
  return error instanceof Error && /Timeout/.test(error.constructor.name) ? 'timeout' : 'disconnected'
}

/**
 * @param at host and port, never a password
 * @param when what failed: `Redis at ...` did not do it
 */
export function redisUnavailable(trouble: RedisTrouble, at: string, cause?: unknown): SessionError {
  return new SessionError('ERR_SESSION_STORE_UNAVAILABLE', `Redis ${at}: ${whatToDo[trouble]}.`, {
    status: 503,
    reason: trouble,
    cause,
  })
}

/** What `troubleOf` takes for a timeout. @param timeout milliseconds */
export function tooLate(timeout: number): Error {
  return Object.assign(new Error(`no answer within ${timeout} ms`), { code: 'ETIMEDOUT' })
}
