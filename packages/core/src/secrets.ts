import { randomBytes } from 'node:crypto'
import { link, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ignoring, SessionError } from './errors.ts'
import { openPrivateFolder, projectFolder } from './private-folder.ts'
import type { Environment, Logger, SessionOptions } from './settings.ts'

const wellKnown = new Set([
  ...['dev', 'development', 'test', 'testing', 'secret', 'password', 'default', 'example'],
  ...['changeme', 'change-me', 'change_me', 'keyboard cat', 's3cr3t'],
])
const leastBytes = 32
const howToMakeOne =
  "Make one with: node -e \"console.log(require('node:crypto').randomBytes(32).toString('base64url'))\" and set it as SECRET_KEY, the same for all workers."

/**
 * The application's secrets, first the one that signs. Outside production a missing one is made once and kept in
 * the project's folder (mode 0600), where all its workers find it.
 *
 * @throws SessionError ERR_SESSION_SECRET in production if the signing secret is missing, well-known or short
 */
export async function resolveSecrets(
  options: SessionOptions,
  env: Environment,
  logger: Logger,
): Promise<readonly string[]> {
  const secrets = givenSecrets(options, env)
  const weakness = weaknessOf(secrets)
  if (weakness === null) return secrets
  if (env.NODE_ENV === 'production') throw weakSecret(weakness)
  if (secrets.length > 0) {
    logger.warn(`${weakness} Production will refuse it. ${howToMakeOne}`)
    return secrets
  }
  logger.warn(
    `${weakness} Using one made for this project on this machine; production will ask for yours. ${howToMakeOne}`,
  )
  const folder = projectFolder()
  openPrivateFolder(folder)
  return [await keptSecret(folder)]
}

/**
 * The secrets that options and environment name, first the one that signs. Without a first one there is none: what is to
 * be rotated out must not begin to sign.
 *
 * @throws SessionError ERR_SESSION_SECRET for what is no string
 */
export function givenSecrets(options: Pick<SessionOptions, 'secret'>, env: Environment): string[] {
  const { SECRET_KEY = '', SECRET_KEY_FALLBACKS = '' } = env
  const fromEnv = () => [SECRET_KEY, ...SECRET_KEY_FALLBACKS.split(',')].map(text => text.trim())
  const all: unknown[] = [options.secret ?? fromEnv()].flat()
  const strings = all.filter(each => typeof each === 'string')
  if (strings.length !== all.length) {
    throw new SessionError(
      'ERR_SESSION_SECRET',
      `secret must be a string or an array of strings. ${howToMakeOne}`,
    )
  }
  const [first = '', ...others] = strings
  return first === '' ? [] : [first, ...others.filter(each => each !== '')]
}

export function weakSecret(weakness: string): SessionError {
  return new SessionError(
    'ERR_SESSION_SECRET',
    `${weakness} Anyone who guesses it can sign in as anyone. ${howToMakeOne}`,
  )
}

/** A sentence that says why production must refuse them, or `null`. */
export function weaknessOf(secrets: readonly string[]): string | null {
  if (secrets.length === 0) return 'No secret is set to sign session cookies with.'
  for (const [index, secret] of secrets.entries()) {
    const which =
      index === 0 ? 'The secret that signs session cookies' : 'A former secret that is still accepted'
    if (wellKnown.has(secret.toLowerCase())) return `${which} is one that everybody knows.`
    if (Buffer.byteLength(secret) < leastBytes) return `${which} is shorter than ${leastBytes} bytes.`
  }
  return null
}

/** Reads the folder's secret; whoever comes first makes it. A link never replaces a file, so all see the same one. */
async function keptSecret(folder: string): Promise<string> {
  const path = join(folder, 'secret')
  const kept = await readFile(path, 'utf8').catch(() => null)
  if (kept !== null && kept.length >= leastBytes) return kept
  const draft = join(folder, `secret.${randomBytes(8).toString('hex')}`)
  try {
    await writeFile(draft, randomBytes(32).toString('base64url'), { mode: 0o600, flag: 'wx' })
    await link(draft, path).catch(ignoring('EEXIST'))
  } finally {
    await rm(draft, { force: true })
  }
  const made = await readFile(path, 'utf8')
  if (made.length >= leastBytes) return made
  throw new SessionError(
    'ERR_SESSION_SECRET',
    `The file ${path} should hold a secret and does not. Remove it.`,
  )
}
