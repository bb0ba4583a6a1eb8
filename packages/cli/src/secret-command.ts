import { randomBytes } from 'node:crypto'
import type { Environment } from '@sojourn/core'
import { givenSecrets, weaknessOf } from '@sojourn/core/store-kit'
import { Command } from 'commander'

/** As strong as what it is the key of: HMAC-SHA256. */
const keyBytes = 32

const tooWeak =
  '# A key until now is too weak to be accepted any longer, so it is left out: its users are signed out.'
const unwritable =
  '# A key until now has a comma or a quote in it, so it is left out: name it in code, openSessions({ secret: [new, old] }).'
/** A comma is what separates them, and within quotes no file and no shell reads another one alike. */
const cannotBeWritten = /[,'\n]/
/** To a shell, or a file that is read as one reads it, they have a meaning. */
const needsQuotes = /[^\w.,:/+=@%-]/
const quotes =
  '# The quotes are for shells and .env files. Docker (--env-file) takes them for a part of the key: remove them there.'

/** `sojourn secret`. What it prints is for a file or an environment, so nothing else goes to stdout. */
export function secretCommand(env: Environment): Command {
  return new Command('secret')
    .summary('print a strong key to sign session cookies with')
    .description('Prints a new key for SECRET_KEY, the same for all workers and machines.')
    .option('--rotate', 'print the two environment lines that change the key and sign nobody out')
    .action(({ rotate = false }: { readonly rotate?: boolean }) => {
      const key = randomBytes(keyBytes).toString('base64url')
      process.stdout.write(`${rotate ? rotation(key, env).join('\n') : key}\n`)
    })
}

/** Explained in comments, so that all of it can go into an environment file. */
function rotation(key: string, env: Environment): string[] {
  const old = givenSecrets({}, env)
  const strong = old.filter(secret => weaknessOf([secret]) === null)
  const kept = strong.filter(secret => !cannotBeWritten.test(secret)).join(',')
  const isQuoted = needsQuotes.test(kept)
  const fallbacks = isQuoted ? `'${kept}'` : kept
  return [
    '# The first key signs, the fallbacks are still accepted: nobody is signed out. Put these lines in',
    '# place of the old ones and restart all workers at the same time.',
    '#',
    '# If they restart one after the other, those that still have the old lines do not know the new key:',
    '# then first add it to their SECRET_KEY_FALLBACKS and restart, and after that use these lines.',
    '#',
    '# Cookies get the new key as they are used. Remove the fallbacks when idleTimeout (24 hours, if you',
    '# did not set it) has passed; remove a key that has leaked at once, which signs its users out.',
    ...(strong.length < old.length ? ['#', tooWeak] : []),
    ...(strong.some(secret => cannotBeWritten.test(secret)) ? ['#', unwritable] : []),
    ...(isQuoted ? ['#', quotes] : []),
    `SECRET_KEY=${key}`,
    `SECRET_KEY_FALLBACKS=${old.length === 0 ? "'<the SECRET_KEY until now>'" : fallbacks}`,
  ]
}
