/** A site of one process on the folder that its argument names, which waits for the disk: the plainest that there is. */
import { once } from 'node:events'
import { createServer } from 'node:http'
import { openSessions, type Session } from '@sojourn/core'
import { attachSession } from '@sojourn/core/http'
import { filesystemStore } from '../src/index.ts'

const [directory = ''] = process.argv.slice(2)
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const store = filesystemStore({ directory, durable: true, logger: quiet })
const sessions = await openSessions({ store, logger: quiet, env: process.env })

const actions: Readonly<Record<string, (session: Session) => unknown>> = {
  '/short': session => Object.assign(session, { note: `${Math.random()}` }),
  '/long': session => Object.assign(session, { note: `${Math.random()}`.repeat(500) }),
  '/sign-out': session => session.destroy(),
}

const server = createServer(async (req, res) => {
  const request = attachSession(sessions, req, req, res, { fail: () => res.writeHead(503).end() })
  await request.load()
  await actions[req.url ?? '']?.(request.session)
  res.end()
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.on('disconnect', () => process.exit())
process.send?.(server.address())
