import { isDeepStrictEqual, promisify } from 'node:util'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openSessions, type Session, type SessionCallback, type Sessions } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'
import type { SessionRequest } from '../src/request.ts'
import { anyKey, anything, plain } from './anything.ts'

type Data = Record<string, unknown>

const members = Reflect.ownKeys(Object.prototype)
let sessions: Sessions

beforeAll(async () => {
  const secret = 'a secret of the tests, long enough for production'
  const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
  sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger })
})
afterAll(() => sessions.close())

async function begin(cookie?: string): Promise<SessionRequest> {
  const request = sessions.begin(cookie)
  await request.load()
  return request
}

/** The cookie of a new session with these data. */
async function signIn(data: Data = {}): Promise<string> {
  const request = await begin()
  await request.session.regenerate({ userId: 'ada' })
  Object.assign(request.session, data)
  await request.commit()
  return request.setCookie?.split(';')[0] ?? ''
}

async function contentOf(cookie: string): Promise<Data> {
  return { ...(await begin(cookie)).session }
}

test('Property: whatever the cookie header is, nothing throws, and it names a session only if that cookie is in it', async () => {
  const cookie = await signIn()
  const value = cookie.slice('sid='.length)
  const part = fc.oneof(
    fc.constantFrom(
      cookie,
      cookie,
      'sid',
      '=',
      '; ',
      ';',
      ' ',
      '\t',
      value.slice(0, -1),
      '"',
      '.',
      '%',
      'sid=.',
    ),
    fc.string({ unit: 'binary' }),
  )
  const header = fc.array(part, { maxLength: 20 }).map(parts => parts.join(''))
  await fc.assert(
    fc.asyncProperty(header, async header => {
      const named = header
        .split(';')
        .some(pair => /^[ \t]*sid[ \t]*=[ \t]*(.*?)[ \t]*$/s.exec(pair)?.[1] === value)
      expect((await begin(header)).userId).toBe(named ? 'ada' : undefined)
    }),
    { numRuns: 1000 },
  )
})

/** How a handler gives a session a value. */
const ways: Readonly<Record<string, (session: Session & Data, key: string, value: unknown) => unknown>> = {
  set: (session, key, value) => Reflect.set(session, key, value),
  define: (session, key, value) => Object.defineProperty(session, key, { value, enumerable: true }),
  update: (session, key, value) => session.update((data: Data) => void Reflect.set(data, key, value)),
}

test('Property: parse(serialize(x)) is x, or x is refused with a typed error and what stood stays', async () => {
  await fc.assert(
    fc.asyncProperty(fc.constantFrom(...Object.keys(ways)), anyKey, anything, async (way, key, value) => {
      const cookie = await signIn({ stood: true })
      const request = await begin(cookie)
      const error = await attempt(async () => {
        await ways[way]?.(request.session as Session & Data, key, value)
        await request.commit()
      })
      if (!(error instanceof TypeError) && error !== null)
        expect(error).toMatchObject({ code: 'ERR_SESSION_VALUE' })
      const kept = error === null && value !== undefined ? { [key]: plain(value) } : {}
      expect(isDeepStrictEqual(await contentOf(cookie), { stood: true, ...kept })).toBe(true)
      expect(Reflect.ownKeys(Object.prototype)).toEqual(members)
    }),
    { numRuns: 2000 },
  )
})

/** What it threw, or `null`. */
async function attempt(act: () => unknown): Promise<unknown> {
  try {
    await act()
    return null
  } catch (error) {
    return error
  }
}

/** What handlers do with a key of the data. */
const edits: Readonly<Record<string, (data: Data, key: string) => unknown>> = {
  set: (data, key) => Reflect.set(data, key, [key]),
  remove: (data, key) => Reflect.deleteProperty(data, key),
  push: (data, key) => Array.isArray(data[key]) && data[key].push('more'),
}

function editsOf(...keys: string[]): fc.Arbitrary<[string, string][]> {
  return fc.array(fc.tuple(fc.constantFrom(...Object.keys(edits)), fc.constantFrom(...keys)), {
    maxLength: 5,
  })
}

function edit(data: Data, steps: readonly (readonly [string, string])[]): void {
  for (const [step, key] of steps) edits[step]?.(data, key)
}

test('Property: requests that change different keys commute, one after the other and at the same time', async () => {
  const orders = fc.constantFrom('mine first', 'theirs first', 'both at once')
  await fc.assert(
    fc.asyncProperty(orders, editsOf('a', 'b'), editsOf('x', 'y'), async (order, mine, theirs) => {
      const data: Data = { a: [1], x: [2], stood: true }
      const cookie = await signIn(structuredClone(data))
      const requests = [await begin(cookie), await begin(cookie)]
      for (const [at, steps] of [mine, theirs].entries()) edit(requests[at]?.session as Session & Data, steps)
      if (order === 'theirs first') requests.reverse()
      if (order === 'both at once') await Promise.all(requests.map(request => request.commit()))
      else for (const request of requests) await request.commit()
      edit(data, [...mine, ...theirs])
      expect(await contentOf(cookie)).toEqual(data)
    }),
    { numRuns: 300 },
  )
})

/** What requests in flight may do. */
const acts: Readonly<Record<string, (request: SessionRequest) => unknown>> = {
  set: ({ session }) => Object.assign(session, { canary: true }),
  flash: ({ session }) => session.flash('info', 'canary'),
  update: ({ session }) => session.update(data => Object.assign(data, { canary: true })),
  save: ({ session }) => session.save(),
  regenerate: ({ session }) => session.regenerate(),
  signIn: ({ session }) => session.regenerate({ userId: 'bob' }),
  renew: ({ session }) => promisify((done: SessionCallback) => session.regenerate(done))(),
  destroy: ({ session }) => session.destroy(),
  commit: request => request.commit(),
}
const act = fc.record({ by: fc.nat(2), what: fc.constantFrom(...Object.keys(acts)) })
const end: Readonly<Record<string, (request: SessionRequest) => Promise<unknown>>> = {
  destroyed: ({ session }) => session.destroy(),
  expired: async ({ id = '' }) => sessions.store.update(id, { expiresAt: Date.now() - 1 }),
}

test('Property: gone is absorbing: whatever requests in flight do, neither the session nor its data come back', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...Object.keys(end)),
      fc.array(act, { maxLength: 8 }),
      async (ending, list) => {
        const cookie = await signIn({ stood: true })
        const requests = [await begin(cookie), await begin(cookie), await begin(cookie)]
        await end[ending]?.(await begin(cookie))
        for (const { by, what } of list) {
          const request = requests[by] ?? (await begin())
          const error = await attempt(() => acts[what]?.(request))
          if (error !== null)
            expect(error).toMatchObject({ code: expect.stringMatching(/_(GONE|COMMITTED)$/) })
          const { userId, isNew } = await begin(cookie)
          expect({ userId, isNew }).toEqual({ userId: undefined, isNew: true })
          if (request.setCookie === undefined) continue
          expect(await contentOf(request.setCookie.split(';')[0] ?? '')).not.toHaveProperty('stood')
          expect(list.some(other => other.by === by && /signIn|renew|destroy/.test(other.what))).toBe(true)
        }
      },
    ),
    { numRuns: 300 },
  )
})
