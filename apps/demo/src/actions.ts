import type { Session } from '@sojourn/core'
import { noteOf } from './devices.ts'
import type { Visit } from './visit.ts'

/** What a form does. Answers the path of the page to go on with. */
type Action = (session: Session, form: URLSearchParams, visit: Visit) => Promise<string>

const longestName = 40
const longestNote = 280

export const actions: Readonly<Record<string, Action>> = {
  '/sign-in': async (session, form, visit) => {
    const name = field(form, 'name', longestName)
    if (name === '') {
      session.flash('problem', 'Please tell a name to sign in with.')
      return '/'
    }
    // A new id, and the old one dead: whoever planted a session before the sign-in has nothing.
    await session.regenerate({ userId: name, metadata: noteOf(visit) })
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

  '/sign-out-device': async (session, form, { sessions }) => {
    const { userId } = session
    // Only of the user that this session belongs to: a handle of somebody else's ends nothing.
    const ended = userId !== undefined && (await sessions.ofUser(userId).destroy(form.get('handle') ?? ''))
    session.flash(
      ended ? 'notice' : 'problem',
      ended ? 'That device is signed out.' : 'It was signed out before.',
    )
    return '/devices'
  },

  '/sign-out-others': async (session, _form, { sessions }) => {
    const { userId } = session
    const ended = userId === undefined ? 0 : await sessions.ofUser(userId).destroyAll({ except: session })
    session.flash('notice', `You are signed out everywhere else: that ended ${ended}.`)
    return '/devices'
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
    const back = form.get('back')
    return back === '/try' || back === '/devices' ? back : '/'
  },
}

function field(form: URLSearchParams, name: string, longest: number): string {
  return (form.get(name) ?? '').trim().slice(0, longest)
}
