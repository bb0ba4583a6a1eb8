import { channel } from 'node:diagnostics_channel'
import { expect, onTestFinished, test } from 'vitest'
import {
  openSessions,
  SessionError,
  type SessionEvents,
  type SessionOptions,
  type Sessions,
} from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'
import type { SessionRequest } from '../src/request.ts'

const names = ['load', 'commit', 'conflict', 'gone', 'unavailable', 'recovered'] as const
const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'

/** What is published until the test is over: the event's name and what it says but its duration. */
function listen(): unknown[] {
  const heard: unknown[] = []
  for (const name of names) {
    const hear = (message: unknown) => {
      const { duration, ...rest } = message as SessionEvents['sojourn:load']
      expect(duration).toBeGreaterThanOrEqual(0)
      heard.push([name, rest])
    }
    channel(`sojourn:${name}`).subscribe(hear)
    onTestFinished(() => void channel(`sojourn:${name}`).unsubscribe(hear))
  }
  return heard
}

async function open(options: SessionOptions): Promise<Sessions> {
  const sessions = await openSessions({ secret, env: {}, logger, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

async function begin(sessions: Sessions, cookie?: string): Promise<SessionRequest> {
  const request = sessions.begin(cookie)
  await request.load()
  return request
}

async function signIn(sessions: Sessions): Promise<string> {
  const request = await begin(sessions)
  await request.session.regenerate({ userId: 'a user whom events do not name' })
  await request.commit()
  return request.setCookie?.split(';')[0] ?? ''
}

test('events tell what came of each call, without an id, a user or data', async () => {
  const sessions = await open({ store: memoryStore() })
  const heard = listen()
  const cookie = await signIn(sessions)
  const changing = await begin(sessions, cookie)
  await changing.session.update(data => Object.assign(data, { a: 1 }))
  const ended = await begin(sessions, cookie)
  await changing.session.destroy()
  Object.assign(ended.session, { b: 1 })
  await expect(ended.commit()).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' })
  await begin(sessions, cookie)
  const store = 'memory'
  expect(heard).toEqual([
    ['commit', { store, operation: 'create' }],
    ['load', { store, found: true }],
    ['commit', { store, operation: 'update' }],
    ['load', { store, found: true }],
    ['commit', { store, operation: 'destroy' }],
    ['gone', { store }],
    ['load', { store, found: false }],
  ])
})

test('a change that lost is a conflict', async () => {
  const sessions = await open({ store: memoryStore(), conflict: 'reject' })
  const cookie = await signIn(sessions)
  const [first, second] = [await begin(sessions, cookie), await begin(sessions, cookie)]
  Object.assign(first.session, { a: 1 })
  Object.assign(second.session, { a: 2 })
  await first.commit()
  const heard = listen()
  await expect(second.commit()).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT' })
  expect(heard).toEqual([['conflict', { store: 'memory' }]])
})

test('an outage is told with its reason, and its end once', async () => {
  const store = memoryStore()
  const sessions = await open({ store, storeTimeout: 50 })
  const cookie = await signIn(sessions)
  const { load } = store
  const heard = listen()
  const reasons = ['full', undefined]
  for (const reason of reasons) {
    const error = reason
      ? new SessionError('ERR_SESSION_STORE_UNAVAILABLE', 'no room', { status: 503, reason })
      : new Error('something else')
    store.load = () => Promise.reject(error)
    await expect(begin(sessions, cookie)).rejects.toMatchObject({ status: 503 })
  }
  store.load = () => new Promise(() => undefined)
  await expect(begin(sessions, cookie)).rejects.toMatchObject({ status: 503 })
  store.load = load
  await begin(sessions, cookie)
  await begin(sessions, cookie)
  const down = (reason: string) => ['unavailable', { store: 'memory', operation: 'load', reason }]
  const found = ['load', { store: 'memory', found: true }]
  const recovered = ['recovered', { store: 'memory' }]
  expect(heard).toEqual([down('full'), down('failed'), down('timeout'), recovered, found, found])
})

test('a store that can be read but not written, such as a full disk, has not recovered', async () => {
  const store = memoryStore()
  const sessions = await open({ store })
  const cookie = await signIn(sessions)
  const { update } = store
  store.update = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
  const heard = listen()
  const change = async () => {
    const request = await begin(sessions, cookie)
    Object.assign(request.session, { a: Math.random() })
    await request.commit()
  }
  await expect(change()).rejects.toMatchObject({ status: 503 })
  await expect(change()).rejects.toMatchObject({ status: 503 })
  store.update = update
  await change()
  const full = ['unavailable', { store: 'memory', operation: 'update', reason: 'full' }]
  const found = ['load', { store: 'memory', found: true }]
  const end = [
    ['recovered', { store: 'memory' }],
    ['commit', { store: 'memory', operation: 'update' }],
  ]
  expect(heard).toEqual([found, full, found, full, found, ...end])
})

test('a store that takes changes has recovered, also if what failed is not tried again', async () => {
  const store = memoryStore()
  const sessions = await open({ store })
  const [leaving, staying] = [await signIn(sessions), await signIn(sessions)]
  const { destroy } = store
  store.destroy = () => Promise.reject(new Error('down'))
  const request = await begin(sessions, leaving)
  await expect(request.session.destroy()).rejects.toMatchObject({ status: 503 })
  store.destroy = destroy
  const heard = listen()
  await begin(sessions, staying)
  const other = await begin(sessions, staying)
  Object.assign(other.session, { a: 1 })
  await other.commit()
  const found = ['load', { store: 'memory', found: true }]
  const commit = ['commit', { store: 'memory', operation: 'update' }]
  expect(heard).toEqual([found, found, ['recovered', { store: 'memory' }], commit])
})

test('a change of what is gone tells nothing of whether the store takes changes', async () => {
  const store = memoryStore()
  const sessions = await open({ store })
  const [gone, staying] = [await signIn(sessions), await signIn(sessions)]
  const late = await begin(sessions, gone)
  const other = await begin(sessions, gone)
  await other.session.destroy()
  const { update } = store
  store.update = () => Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }))
  const request = await begin(sessions, staying)
  Object.assign(request.session, { a: 1 })
  await expect(request.commit()).rejects.toMatchObject({ status: 503 })
  store.update = update
  const heard = listen()
  Object.assign(late.session, { a: 1 })
  await expect(late.commit()).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' })
  expect(heard).toEqual([['gone', { store: 'memory' }]])
})

test('a store that throws where it should reject is down as any other', async () => {
  const store = memoryStore()
  const sessions = await open({ store })
  const cookie = await signIn(sessions)
  store.load = () => {
    throw new Error('no promise was made')
  }
  await expect(begin(sessions, cookie)).rejects.toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })
})
