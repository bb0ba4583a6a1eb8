import { isSessionError } from '@sojourn/core'
import { actions } from './actions.ts'
import { FormError, readForm } from './forms.ts'
import type { Html } from './html.ts'
import { errorPage, securityPolicy } from './layout.ts'
import { pages } from './pages.ts'
import { type Answer, processName, type Visit } from './visit.ts'

/** The whole site: what both servers answer to a request. */
export async function answer(visit: Visit): Promise<Answer> {
  const { method, path, session } = visit
  const action = actions[path]
  if (action && method === 'POST') return redirect(await action(session, await readForm(visit.req), visit))
  const page = pages[path]
  if (!page) return send(404, errorPage(404, 'There is no such page.'))
  if (method !== 'GET' && method !== 'HEAD') return send(405, errorPage(405, 'This page can only be read.'))
  // Only where there is a session already: visitors who just look cost no store anything.
  if (!session.isNew) await leaveTrace(visit)
  return send(200, await page(visit))
}

/** For errors of the site and of the session alike: a store that is down, a session that ended meanwhile. */
export function answerError(error: unknown): Answer {
  const known = isSessionError(error) || error instanceof FormError
  const shown = error instanceof FormError || (isSessionError(error) && error.expose)
  if (!known) process.stderr.write(`${error instanceof Error ? error.stack : error}\n`)
  const status = known ? error.status : 500
  return send(status, errorPage(status, shown ? error.message : 'Something went wrong. Try again.'))
}

const longestTrail = 12

async function leaveTrace({ session, server }: Visit): Promise<void> {
  await session.update(data => {
    data.trail = [...(data.trail ?? []), { pid: processName, server }].slice(-longestTrail)
  })
}

// A connection goes to one worker and stays there. Closed after each answer, every reload meets another worker, as
// it would behind a balancer.
const common = { Connection: 'close' }

function send(status: number, page: Html): Answer {
  const headers = {
    ...common,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': securityPolicy,
    'Cache-Control': 'no-store',
  }
  return { status, headers, body: page.text }
}

function redirect(path: string): Answer {
  return { status: 303, headers: { ...common, Location: path }, body: '' }
}
