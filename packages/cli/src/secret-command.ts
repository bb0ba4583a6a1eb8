import { randomBytes } from 'node:crypto'
import type { Environment } from '@sojourn/core'
import { givenSecrets, weaknessOf } from '@sojourn/core/store-kit'
import { Command } from 'commander'

/** As strong as what it is the key of: HMAC-SHA256. */
const keyBytes = 32

const tooWeak =
  '# A key until now is too weak to be accepted any longer, so it is left out: its users are signed out.'
const withComma =
  '# A key until now has a comma in it, so it is left out: name it in code, openSessions({ secret: [new, old] }).'

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
  // A comma is what separates them.
  const kept = strong.filter(secret => !secret.includes(','))
  const fallbacks = old.length === 0 ? '<the SECRET_KEY until now>' : kept.join(',')
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
    ...(kept.length < strong.length ? ['#', withComma] : []),
    `SECRET_KEY=${key}`,
    `SECRET_KEY_FALLBACKS=${fallbacks}`,
  ]
}
