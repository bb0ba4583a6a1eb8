import type { Session } from '@sojourn/core'

/** What a form does. Answers the path of the page to go on with. */
type Action = (session: Session, form: URLSearchParams) => Promise<string>

const longestName = 40
const longestNote = 280

export const actions: Readonly<Record<string, Action>> = {
  '/sign-in': async (session, form) => {
    const name = field(form, 'name', longestName)
    if (name === '') {
      session.flash('problem', 'Please tell a name to sign in with.')
      return '/'
    }
    // A new id, and the old one dead: whoever planted a session before the sign-in has nothing.
    await session.regenerate({ userId: name })
    session.flash('notice', `You are signed in as ${name}.`)
    return '/'
  },

  '/sign-out': async session => {
    const { theme } = session
    await session.destroy()
    if (theme) session.theme = theme
    session.flash('notice', 'You are signed out, on both servers.')
    return '/'
  },

  '/note': async (session, form) => {
    session.note = field(form, 'note', longestNote)
    session.flash('notice', 'Your note is kept.')
    return '/'
  },

  // In one atomic step, so that two clicks in two processes count as two.
  '/count': async session => {
    await session.update(data => {
      data.count = (data.count ?? 0) + 1
    })
    return '/#counter'
  },

  '/theme': async (session, form) => {
    const theme = form.get('theme')
    if (theme === 'light' || theme === 'dark') session.theme = theme
    else delete session.theme
    return form.get('back') === '/try' ? '/try' : '/'
  },
}

function field(form: URLSearchParams, name: string, longest: number): string {
  return (form.get(name) ?? '').trim().slice(0, longest)
}
