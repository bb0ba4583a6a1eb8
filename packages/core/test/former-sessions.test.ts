import { expect, onTestFinished, test, vi } from 'vitest'
import {
  type FormerSession,
  openSessions,
  type Session,
  SessionError,
  type SessionOptions,
  type SessionStore,
  type Sessions,
} from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'

/** Another library, whose cookie is `old=<id>`, without a signature. */
function formerSessions(sessions: Record<string, FormerSession>) {
  const kept = new Map(Object.entries(sessions))
  const calls: string[] = []
  const turn = () => new Promise(resolve => setImmediate(resolve))
  return {
    calls,
    kept,
    idsIn: (header: string) => /(?:^|; )old=(\w+)/.exec(header)?.slice(1) ?? [],
    async load(id: string) {
      calls.push(`load ${id}`)
      const session = kept.get(id) ?? null
      await turn()
      return session
    },
    async destroy(id: string) {
      calls.push(`destroy ${id}`)
      await turn()
      kept.delete(id)
    },
  }
}

async function open(
  takeOver: ReturnType<typeof formerSessions>,
  store: SessionStore = memoryStore(),
  options: SessionOptions = {},
) {
  const settings = { store, secret, takeOver, storeTimeout: 500, env: {}, logger }
  const sessions = await openSessions({ ...settings, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

async function begin(sessions: Sessions, cookie: string) {
  const request = sessions.begin(cookie)
  await request.load()
  return Object.assign(request, { data: request.session as Session & Record<string, unknown> })
}

const cookieOf = ({ setCookie = '' }: { setCookie: string | undefined }) => setCookie.split(';')[0] ?? ''

const ada = { data: { theme: 'dark', id: 'theirs', flash: { info: ['hello'] } }, userId: 'ada' }

test('a former session is taken over on its first use, whole, and its old record is ended', async () => {
  const former = formerSessions({ a: ada })
  const sessions = await open(former)
  const first = await begin(sessions, 'old=a')
  expect(former.kept.size).toBe(0)
  expect({ ...first.session }).toEqual({ theme: 'dark' })
  expect(first.session.userId).toBe('ada')
  expect(first.session.flash('info')).toEqual(['hello'])
  await first.commit()
  const { calls } = former
  const next = await begin(sessions, `old=a; ${cookieOf(first)}`)
  expect([next.session.userId, next.setCookie]).toEqual(['ada', undefined])
  expect(calls).toEqual(['load a', 'destroy a'])
})

test('parallel first requests have one session, and none of their changes is lost', async () => {
  const sessions = await open(formerSessions({ a: ada }))
  const requests = await Promise.all([1, 2, 3].map(() => begin(sessions, 'old=a')))
  for (const [at, request] of requests.entries()) request.data[`key${at}`] = at
  await Promise.all(requests.map(request => request.commit()))
  expect(new Set(requests.map(({ session }) => session.id)).size).toBe(1)
  const last = await begin(sessions, cookieOf(requests[0] ?? { setCookie: '' }))
  expect({ ...last.session }).toEqual({ theme: 'dark', key0: 0, key1: 1, key2: 2 })
})

test('a browser that lost the answer comes again with the old cookie, and is still signed in', async () => {
  const sessions = await open(formerSessions({ a: ada }))
  await (await begin(sessions, 'old=a')).commit()
  const again = await begin(sessions, 'old=a')
  expect(again.session.userId).toBe('ada')
  await again.commit()
  expect(cookieOf(again)).not.toBe('')
})

test('C4 I1: who still saw the former session, when it was taken over and signed out meanwhile, does not bring it back', async () => {
  const former = formerSessions({ a: ada })
  const store = memoryStore()
  const sessions = await open(former, store)
  let release: () => void = () => undefined
  const late = new Promise<void>(resolve => {
    release = resolve
  })
  const { load } = former
  former.load = async id => {
    const session = await load(id)
    await late
    return session
  }
  const slow = begin(sessions, 'old=a')
  await expect.poll(() => former.calls).toEqual(['load a'])
  former.load = load
  const other = await begin(sessions, 'old=a')
  expect(other.session.userId).toBe('ada')
  await other.session.destroy()
  await other.commit()
  release()
  expect((await slow).session.userId).toBeUndefined()
  expect((await begin(sessions, 'old=a')).session.userId).toBeUndefined()
  for await (const _ of sessions.ofUser('ada').list()) expect.unreachable('a session of hers is alive')
})

test.each(['destroy', 'regenerate'] as const)(
  'C7: a slow request that came with the old cookie sets none after %s by another one',
  async how => {
    const sessions = await open(formerSessions({ a: ada }))
    const [first, slow] = [await begin(sessions, 'old=a'), await begin(sessions, 'old=a')]
    const fast = await begin(sessions, 'old=a')
    await fast.session[how]()
    await fast.commit()
    await first.commit()
    await slow.commit()
    expect([first.setCookie, slow.setCookie]).toEqual([undefined, undefined])
  },
)

test('one that was damaged since is absent, and who signs in anew has a session', async () => {
  const store = memoryStore()
  const sessions = await open(formerSessions({ a: ada }), store)
  const taken = await begin(sessions, 'old=a')
  const { id } = taken.session
  const { load } = store
  store.load = token => {
    if (token === id) throw new SessionError('ERR_SESSION_CORRUPT', 'damaged')
    return load.call(store, token)
  }
  const request = await begin(sessions, 'old=a')
  expect(request.session.userId).toBeUndefined()
  await request.session.regenerate({ userId: 'ada' })
  await request.commit()
  expect((await begin(sessions, `old=a; ${cookieOf(request)}`)).session.userId).toBe('ada')
})

test('what a session can not hold is left behind: a key named __proto__, wherever it is', async () => {
  const data = JSON.parse(
    '{"theme": "dark", "__proto__": {"admin": true}, "cart": [{"__proto__": 1, "price": 2}]}',
  )
  const sessions = await open(formerSessions({ a: { data } }))
  const request = await begin(sessions, 'old=a')
  expect(JSON.stringify(request.session)).toBe('{"theme":"dark","cart":[{"price":2}]}')
  request.data.theme = 'light'
  await request.commit()
})

test.each(['destroy', 'regenerate'] as const)(
  'R3 R6 C4: after %s the old cookie leads nowhere, also if a crash had kept the old record',
  async how => {
    const former = formerSessions({ a: ada })
    const sessions = await open(former)
    await (await begin(sessions, 'old=a')).commit()
    former.kept.set('a', ada)
    const request = await begin(sessions, 'old=a')
    await request.session[how]()
    await request.commit()
    expect((await begin(sessions, 'old=a')).session.userId).toBeUndefined()
    expect(former.kept.size).toBe(0)
  },
)

test('an own session counts, and the old cookie beside it is not looked at', async () => {
  const former = formerSessions({ a: ada })
  const sessions = await open(former)
  const first = await begin(sessions, '')
  first.data.mine = true
  await first.commit()
  const next = await begin(sessions, `${cookieOf(first)}; old=a`)
  expect({ ...next.session }).toEqual({ mine: true })
  expect(former.calls).toEqual([])
})

test('C1: while the former store is down, who comes with its cookie gets a 503, never an anonymous session', async () => {
  const former = formerSessions({ a: ada })
  const sessions = await open(former)
  former.load = () => Promise.reject(new Error('ECONNREFUSED'))
  const error = { code: 'ERR_SESSION_STORE_UNAVAILABLE', status: 503 }
  await expect(begin(sessions, 'old=a')).rejects.toMatchObject(error)
  expect((await begin(sessions, '')).session.isNew).toBe(true)
  former.load = () => new Promise(() => undefined)
  await expect(begin(sessions, 'old=a')).rejects.toMatchObject(error)
})

test('a cookie that outlived the browser goes on doing so', async () => {
  const sessions = await open(formerSessions({ a: { data: {}, maxAge: 60_000 } }))
  const request = await begin(sessions, 'old=a')
  expect(request.session.cookie.maxAge).toBe(60_000)
  await request.commit()
  expect(request.setCookie).toContain('; Max-Age=60')
})

test('R6: a sign-out ends the former session too that stands beside our own', async () => {
  const former = formerSessions({ a: ada })
  const sessions = await open(former)
  const first = await begin(sessions, 'old=a')
  await first.commit()
  // Servers of before the change may still be there, and sign in with the same cookie.
  former.kept.set('a', ada)
  const request = await begin(sessions, `old=a; ${cookieOf(first)}`)
  await request.session.destroy()
  await request.commit()
  expect(former.kept.size).toBe(0)
  expect((await begin(sessions, 'old=a')).session.userId).toBeUndefined()
})

test('R6: a sign-out ends what went on from every old cookie that the browser has', async () => {
  const former = formerSessions({ a: ada, b: { data: {}, userId: 'bob' } })
  former.idsIn = header => [...header.matchAll(/old=(\w+)/g)].map(([, id = '']) => id)
  const sessions = await open(former)
  const first = await begin(sessions, 'old=b; old=a; old=a')
  await first.commit()
  expect(first.session.userId).toBe('ada')
  const request = await begin(sessions, `old=a; old=b; ${cookieOf(first)}`)
  await request.session.destroy()
  await request.commit()
  expect((await begin(sessions, 'old=a; old=b')).session.userId).toBeUndefined()
})

test('a dead cookie of ours does not hide a former session', async () => {
  const former = formerSessions({})
  const sessions = await open(former)
  const first = await begin(sessions, '')
  first.data.mine = true
  await first.commit()
  await sessions.store.destroy(first.session.id ?? '')
  former.kept.set('a', ada)
  const request = await begin(sessions, `old=a; ${cookieOf(first)}`)
  await request.commit()
  expect([request.session.userId, request.setCookie]).toEqual(['ada', expect.any(String)])
})

test('C4: what a server from before the change stores anew does not come up again, however late', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  onTestFinished(() => void vi.useRealTimers())
  const former = formerSessions({ a: ada })
  const sessions = await open(former)
  const first = await begin(sessions, 'old=a')
  await first.commit()
  vi.advanceTimersByTime(3_600_000)
  expect(await sessions.ofUser('ada').destroyAll()).toBe(1)
  former.kept.set('a', ada)
  expect((await begin(sessions, `old=a; ${cookieOf(first)}`)).session.userId).toBeUndefined()
  expect((await begin(sessions, 'old=a')).session.userId).toBeUndefined()
  expect(former.kept.size).toBe(0)
})

test('a claim that is damaged is nobody, and neither sign-in nor sign-out fails of it', async () => {
  const store = memoryStore()
  const sessions = await open(formerSessions({ a: ada }), store)
  await (await begin(sessions, 'old=a')).commit()
  const damaged = () => {
    throw new SessionError('ERR_SESSION_CORRUPT', 'damaged')
  }
  const { load } = store
  store.load = token => load.call(store, token).then(found => (found?.record.data.token ? damaged() : found))
  Object.assign(store, { createAs: async () => damaged() })
  const request = await begin(sessions, 'old=a')
  expect(request.session.userId).toBeUndefined()
  await request.session.regenerate({ userId: 'ada' })
  await request.session.destroy()
  await request.commit()
})

test.each([[{}], ['hello'], [null], [['x']]])(
  "conflict: 'reject' knows what was taken over, also if its messages were %j",
  async flash => {
    const former = formerSessions({ a: { data: { flash } } })
    const sessions = await open(former, memoryStore(), { conflict: 'reject' })
    const request = await begin(sessions, 'old=a')
    request.session.flash('info', 'hello')
    await request.commit()
  },
)

test.each([{ namedSessions: false }, { atomicUpdate: false, sharedAcrossProcesses: true }])(
  'a store that has not the one step that it needs, with %j, fails the start, closed',
  async without => {
    const store = memoryStore()
    Object.assign(store, { supports: { ...store.supports, ...without } })
    const close = vi.spyOn(store, 'close')
    await expect(open(formerSessions({}), store)).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
    expect(close).toHaveBeenCalled()
  },
)
