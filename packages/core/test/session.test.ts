import { format, inspect } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { openSessions, type Session, type SessionOptions } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

async function open(options: SessionOptions = {}) {
  const secret = 'a secret of the tests, long enough for production'
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

/** The session of a visitor without a cookie. */
async function newSession(): Promise<Session & Record<string, unknown>> {
  const request = (await open()).begin(undefined)
  await request.load()
  return request.session as Session & Record<string, unknown>
}

const controls = ['id', 'isNew', 'userId', 'cookie', 'flash', 'regenerate', 'destroy', 'save', 'update']

describe('a session is a plain object to its user', () => {
  test('its own keys are its data: keys, in, entries, spread, for in, JSON', async () => {
    const session = await newSession()
    session.a = 1
    session['b c'] = { d: [null] }
    expect(Object.keys(session)).toEqual(['a', 'b c'])
    expect('a' in session && !('x' in session)).toBe(true)
    expect({ ...session }).toEqual({ a: 1, 'b c': { d: [null] } })
    const seen = []
    for (const key in session) seen.push(key)
    expect(seen).toEqual(['a', 'b c'])
    expect(JSON.stringify(session)).toBe('{"a":1,"b c":{"d":[null]}}')
    delete session.a
    Object.defineProperty(session, 'e', { value: 2 })
    expect(JSON.stringify(session)).toBe('{"b c":{"d":[null]},"e":2}')
    delete session.e
    expect(Object.entries(session)).toEqual([['b c', { d: [null] }]])
  })

  test('its controls are there, and are no keys', async () => {
    const session = await newSession()
    for (const name of controls) {
      expect(name in session).toBe(true)
      expect(Object.hasOwn(session, name)).toBe(false)
    }
  })

  test('flash and cookie are stored, and still are no keys', async () => {
    const session = await newSession()
    session.flash('info', 'saved')
    session.cookie.maxAge = 1000
    expect(Object.keys(session)).toEqual([])
  })

  test('keys that other objects have by nature are keys like any other', async () => {
    const session = await newSession()
    for (const key of ['toString', 'hasOwnProperty', 'valueOf', 'toJSON', 'then', 'length']) {
      expect(Object.hasOwn(session, key)).toBe(false)
      session[key] = key
      expect(session[key]).toBe(key)
    }
  })
})

describe('what a session refuses', () => {
  test.each([...controls.filter(name => name !== 'flash'), 'constructor', '__proto__'])(
    '%s as a key',
    async key => {
      const session = await newSession()
      expect(() => Reflect.set(session, key, 1)).toThrow(TypeError)
      expect(() => Object.defineProperty(session, key, { value: 1 })).toThrow(TypeError)
      expect(() => Object.assign(session, JSON.parse(`{"${key}":1}`))).toThrow(TypeError)
    },
  )

  test('symbols, accessors, another prototype, being frozen or sealed', async () => {
    const session = await newSession()
    expect(() => Reflect.set(session, Symbol('s'), 1)).toThrow(TypeError)
    expect(() => Object.defineProperty(session, 'a', { get: () => 1 })).toThrow(TypeError)
    expect(() => Object.setPrototypeOf(session, {})).toThrow(TypeError)
    expect(() => Object.freeze(session)).toThrow(TypeError)
    expect(() => Object.seal(session)).toThrow(TypeError)
    expect(() => Object.preventExtensions(session)).toThrow(TypeError)
  })

  test('a property of the cookie that does nothing here', async () => {
    const session = await newSession()
    expect(() => Object.assign(session.cookie, { expires: new Date() })).toThrow(TypeError)
    expect(session.cookie.maxAge).toBeUndefined()
  })

  test('update without a function, callbacks that are none', async () => {
    const session = await newSession()
    expect(() => Reflect.apply(session.update, session, [{}])).toThrow(TypeError)
    expect(() => Reflect.apply(session.save, session, [1])).toThrow(TypeError)
  })
})

describe('R19: looking at a session shows neither content nor id', () => {
  test('inspect, template strings, the request and its parts', async () => {
    const sessions = await open()
    const request = sessions.begin(undefined)
    await request.load()
    const { session } = request
    Object.assign(session, { canary: 'the canary' })
    await session.save()
    const id = session.id ?? ''
    const shown = [session, request, sessions, { session }, [session]].map(each =>
      inspect(each, { depth: 9 }),
    )
    shown.push(`${session}`, inspect(session, { showHidden: true }), format('%o', session))
    for (const text of shown) {
      expect(text).not.toContain('the canary')
      expect(text).not.toContain(id)
    }
    expect(inspect(session)).toBe('Session { keys: 1, isNew: false, signedIn: false }')
  })
})

describe('the way through a request, without HTTP', () => {
  test('no session before load', async () => {
    const sessions = await open()
    expect(() => sessions.begin(undefined).session).toThrow('load() first')
  })

  test('commit with nothing to store is undefined, and repeated calls store nothing again', async () => {
    const sessions = await open()
    const request = sessions.begin(undefined)
    expect(request.load()).toBeUndefined()
    expect(request.commit()).toBeUndefined()
    const other = sessions.begin(undefined)
    await other.load()
    Object.assign(other.session, { a: 1 })
    const first = other.commit()
    expect(first).toBeInstanceOf(Promise)
    expect(other.commit()).toBe(first)
    await first
    expect(other.commit()).toBeUndefined()
    expect(other.setCookie).toMatch(/^sid=/)
    const reader = sessions.begin(other.setCookie?.split(';')[0])
    await reader.load()
    expect(reader.session).toEqual({ a: 1 })
    expect(reader.commit()).toBeUndefined()
  })

  test('C6: after a failed commit there is a failure and no cookie', async () => {
    const sessions = await open()
    const request = sessions.begin(undefined)
    await request.load()
    Object.assign(request.session, { a: new Date() })
    await expect(request.commit()).rejects.toMatchObject({ code: 'ERR_SESSION_VALUE' })
    expect(request.failure).toMatchObject({ code: 'ERR_SESSION_VALUE' })
    expect(request.setCookie).toBeUndefined()
  })

  test('C5: regenerate gives up with a 409 on a session that others change each time, and leaves it alone', async () => {
    const store = memoryStore()
    const sessions = await open({ store, storeTimeout: 50 })
    const request = sessions.begin(undefined)
    await request.load()
    Object.assign(request.session, { a: 1 })
    await request.session.save()
    const token = request.session.id ?? ''
    const { update } = store
    let n = 0
    store.update = async (token, change) => {
      await new Promise(setImmediate)
      if (n < 10_000) await update.call(store, token, { set: { n: n++ } })
      return update.call(store, token, change)
    }
    await expect(request.session.regenerate({ userId: 'ada' })).rejects.toMatchObject({
      code: 'ERR_SESSION_CONFLICT',
      status: 409,
    })
    expect((await store.load(token))?.record.data).toMatchObject({ a: 1 })
  })

  test('a session is held from load to commit, and released whatever happens', async () => {
    const held: string[] = []
    const real = memoryStore()
    const store = Object.assign(real, {
      supports: { ...real.supports, eviction: true },
      hold: (token: string) => held.push(token),
      release: (token: string) => held.splice(held.indexOf(token), 1),
    })
    const sessions = await open({ store })
    const maker = sessions.begin(undefined)
    await maker.load()
    Object.assign(maker.session, { a: 1 })
    await maker.commit()
    const cookie = maker.setCookie?.split(';')[0]
    for (const change of [{}, { a: 2 }, { a: new Date() }]) {
      const request = sessions.begin(cookie)
      await request.load()
      expect(held.length).toBe(1)
      Object.assign(request.session, change)
      await request.commit()?.catch(() => undefined)
      expect(held).toEqual([])
    }
    const enters = sessions.begin(cookie)
    await enters.load()
    await enters.session.regenerate({ userId: 'ada' })
    expect(held).toContain(enters.session.id)
    await enters.commit()
    expect(held).toEqual([])
    store.load = () => Promise.reject(new Error('down'))
    await expect(sessions.begin(cookie).load()).rejects.toMatchObject({ status: 503 })
    expect(held).toEqual([])
  })
})
