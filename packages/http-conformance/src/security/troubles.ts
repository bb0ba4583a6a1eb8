import type { Routes, SiteErrors } from '../adapter.ts'

/** Content of a session, which nobody gets to see but its user. */
export const canary = 'canary-in-the-session'

/** What a handler can do wrong, with content that an error could show. */
export const troubles: Routes = {
  '/keep': ({ owner, send }) => {
    owner.session.canary = canary
    send('kept')
  },
  '/unfit': ({ owner, send }) => {
    owner.session.value = { [canary]: canary, when: new Date() }
    send('')
  },
  '/late': ({ owner, raw }) => {
    raw().res.end('late')
    owner.session.canary = `${canary}!`
  },
  '/reserved': ({ owner }) => Object.assign(owner.session, { id: canary }),
  '/update': ({ owner }) => owner.session.update(data => Object.assign(data, { canary, bad: 1n })),
  '/stream': ({ owner, raw }) => {
    owner.session.more = canary
    raw().res.write('stream')
    raw().res.end()
  },
}

/** An application's error handler that keeps what it gets. */
export function collected(errors: unknown[]): SiteErrors {
  return {
    answer(error) {
      errors.push(error)
      return { status: 500, body: String(error) }
    },
  }
}
