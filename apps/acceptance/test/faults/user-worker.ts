/** One of several processes with the sessions of users: does what its parent says, and dies where that says. */
import { createHook } from 'node:async_hooks'
import { Socket } from 'node:net'
import { isSessionError } from '@sojourn/core'
import { openUserStore, recordOf } from './user-store.ts'

export interface UserJob {
  readonly kind: 'sign-in' | 'sign-out' | 'regenerate' | 'end-all' | 'churn' | 'rest'
  readonly userId: string
  readonly token?: string
  readonly maxPerUser?: number
  /** Before which step, of those that leave the process, it is killed; 0 for none. */
  readonly dieAt?: number
}

/** What a job came to. */
export interface Answer {
  readonly value: unknown
}

/** A session that came, and the sign-in that it goes back to. */
export interface Came {
  readonly root: string
  readonly token: string
}

const store = openUserStore(JSON.parse(process.argv[2] ?? '{}'))
const lastExpiry = Date.now() + 7_200_000
const maxSteps = Number.POSITIVE_INFINITY
let left = maxSteps
let churning = false

function step(): void {
  if (--left <= 0) process.kill(process.pid, 'SIGKILL')
}

// All that is asked of the disk begins with one of these, and all that goes to a server with a write.
createHook({ init: (_id, type) => type.startsWith('FSREQ') && step() }).enable()
const { write } = Socket.prototype
Socket.prototype.write = function (this: Socket, ...args: unknown[]) {
  step()
  return Reflect.apply(write, this, args)
}

async function signIn(userId: string, options = {}): Promise<string> {
  return (await store.create(recordOf(userId), { lastExpiry, ...options })).token
}

async function regenerate(userId: string, token: string): Promise<string | undefined> {
  if ((await store.update(token, { expiresAt: 0 })).status !== 'written') return undefined
  return signIn(userId, { replaces: { token, userId } }).catch((error: unknown) => {
    if (isSessionError(error) && error.code === 'ERR_SESSION_GONE') return undefined
    throw error
  })
}

/** Signs in, regenerates and signs out, until it is told to rest. */
async function churn(userId: string): Promise<void> {
  const came = (root: string, token: string) => void process.send?.({ root, token } satisfies Came)
  while (churning) {
    const root = await signIn(userId)
    came(root, root)
    let token: string | undefined = root
    for (let times = Math.floor(Math.random() * 4); times > 0 && token !== undefined && churning; times--) {
      token = await regenerate(userId, token)
      if (token !== undefined) came(root, token)
    }
    if (token !== undefined && Math.random() < 0.5) await store.destroy(token)
  }
}

let churns: Promise<unknown> = Promise.resolve()

async function run({ kind, userId, token = '', maxPerUser = 0 }: UserJob): Promise<unknown> {
  if (kind === 'sign-in') return signIn(userId, { maxPerUser, onMaxPerUser: 'end-oldest' })
  if (kind === 'sign-out') return store.destroy(token)
  if (kind === 'regenerate') return regenerate(userId, token)
  if (kind === 'end-all') return store.destroyByUser(userId)
  churning = kind === 'churn'
  if (churning) churns = Promise.all([churn(userId), churn(userId)])
  else await churns
  return undefined
}

process.on('message', async (job: UserJob) => {
  left = job.dieAt || maxSteps
  const value = await run(job).catch((error: unknown) => ({ failed: String(error) }))
  left = maxSteps
  process.send?.({ value: value ?? null } satisfies Answer)
})
process.on('disconnect', () => process.exit())
await store.destroy(await signIn('nobody'))
process.send?.({ value: null } satisfies Answer)
