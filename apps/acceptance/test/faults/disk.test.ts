import { execFileSync, spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { type Launcher, type Server, startServer } from '../serving.ts'

/** Mounts need root, or a kernel that lets users have mount namespaces. */
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0

/** A server whose sessions lie on a small disk of their own, which goes when it ends. */
function startOnDisk(app: string, options: string): Promise<Server> {
  const mount = `mount -t tmpfs -o ${options},mode=700 tmpfs "$SESSION_DIR" && exec "$@"`
  const launcher: Launcher = ['unshare', '-m', 'sh', '-c', mount, 'sh']
  return startServer(app, { SESSION_STORE: 'filesystem' }, launcher)
}

/** Writes files of so many bytes until there is no place for another. */
function fill({ pid, directory }: Server, bytes: number): void {
  const folder = `/proc/${pid}/root${directory}`
  expect(() => {
    for (let i = 0; ; i++) writeFileSync(join(folder, `filler-${i}`), Buffer.alloc(bytes))
  }).toThrow('ENOSPC')
}

/** A bind mount can be made read-only while files are open for writing. */
function makeReadOnly({ pid, directory }: Server): void {
  for (const args of [
    ['--bind', directory],
    ['-o', 'remount,bind,ro'],
  ]) {
    execFileSync('nsenter', ['-t', `${pid}`, '-m', '-r', 'mount', ...args, directory])
  }
}

/** More than is left of the block that the session's file ends in. */
const change = `/set?key=${'x'.repeat(5000)}`

describe.skipIf(!canMount).each(['express-app.ts', 'koa-app.ts'])('a disk in trouble under %s', app => {
  it('F6: full: writes answer 503, reads work, signing out works', async () => {
    const server = await startOnDisk(app, 'size=1m')
    const { ada, bob } = await twoSignedIn(server)
    fill(server, 4096)
    expect(await statuses(server, [change, ada], ['/sign-in?key=eve'])).toEqual([503, 503])
    await expectStill(server, ada, { 'key-kept': 'kept' })
    await expectSignOut(server, bob)
    printFigure(`F6 full, ${app}`, server)
  })

  it('F6: out of inodes: sign-in answers 503, who is signed in goes on, signing out works', async () => {
    const server = await startOnDisk(app, 'nr_inodes=60')
    const { ada, bob } = await twoSignedIn(server)
    fill(server, 0)
    expect(await statuses(server, ['/set?key=more', ada], ['/sign-in?key=eve'])).toEqual([200, 503])
    await expectStill(server, ada, { 'key-kept': 'kept', 'key-more': 'more' })
    await expectSignOut(server, bob)
    printFigure(`F6 out of inodes, ${app}`, server)
  })

  it('F7: read-only: writes and signing out answer 503, reads work, nothing is pretended', async () => {
    const server = await startOnDisk(app, 'size=1m')
    const { ada } = await twoSignedIn(server)
    makeReadOnly(server)
    expect(await statuses(server, ['/set?key=more', ada], ['/sign-in?key=eve'])).toEqual([503, 503])
    const { status, cookie } = await server.get('/sign-out', ada)
    expect({ status, cookie }).toEqual({ status: 503, cookie: undefined })
    await expectStill(server, ada, { 'key-kept': 'kept' })
    printFigure(`F7 read-only, ${app}`, server)
  })
})

async function twoSignedIn(server: Server): Promise<{ readonly ada: string; readonly bob: string }> {
  const [ada, bob] = [await server.signIn('ada'), await server.signIn('bob')]
  await server.get('/set?key=kept', ada)
  return { ada, bob }
}

async function statuses(server: Server, ...requests: [path: string, cookie?: string][]): Promise<number[]> {
  const replies = []
  for (const request of requests) replies.push((await server.get(...request)).status)
  return replies
}

/** In all four workers. */
async function expectStill(server: Server, cookie: string, data: object): Promise<void> {
  for (let i = 0; i < 8; i++) {
    const { status, body } = await server.get('/data', cookie, 'own')
    expect({ status, body }).toEqual({ status: 200, body: data })
  }
}

async function expectSignOut(server: Server, cookie: string): Promise<void> {
  const answer = await server.get('/sign-out', cookie)
  expect({ status: answer.status, cookie: answer.cookie }).toEqual({ status: 200, cookie: 'sid=' })
  expect((await server.get('/', cookie, 'own')).body.userId).toBeNull()
}

function printFigure(row: string, { replies }: Server): void {
  const refused = replies.filter(({ status }) => status === 503).length
  const slowest = Math.max(...replies.map(({ took }) => took))
  process.stdout.write(
    `${row}: ${replies.length} requests; acknowledged ${replies.length - refused}, refused ${refused}; slowest reply ${Math.round(slowest)} ms\n`,
  )
}
