import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { openSessions, type Session, SessionError, type SessionOptions, type Sessions } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'
const newSecret = 'another secret of the tests, long enough for production'
const hour = 3_600_000

async function open(options: SessionOptions = {}): Promise<Sessions> {
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

async function begin(sessions: Sessions, cookie?: string) {
  const request = sessions.begin(cookie)
  await request.load()
  return Object.assign(request, { data: request.session as Session & Record<string, unknown> })
}

/** The cookie of a new session with these data. */
async function created(sessions: Sessions, data: object): Promise<string> {
  const request = await begin(sessions)
  Object.assign(request.session, data)
  await request.commit()
  return cookieOf(request)
}

function cookieOf({ setCookie }: { setCookie: string | undefined }): string {
  return setCookie?.split(';')[0] ?? ''
}

async function stored(sessions: Sessions, cookie: string): Promise<object> {
  return { ...(await begin(sessions, cookie)).session }
}

/** What a function can wait for, and what lets it go on. */
function untilAsked(): { asked: Promise<void>; finish: () => void } {
  let finish = () => {}
  const asked = new Promise<void>(resolve => (finish = resolve))
  return { asked, finish: () => finish() }
}

describe('parallel requests', () => {
  test.each(['last-wins', 'reject'] as const)(
    'I2: update(fn) beside an older update(fn) takes nothing back that its request saved: %s',
    async conflict => {
      const sessions = await open({ conflict })
      const cookie = await created(sessions, { otp: '1234', cart: ['a'] })
      const [first, second] = [await begin(sessions, cookie), await begin(sessions, cookie)]
      const { asked, finish } = untilAsked()
      const slow = first.session.update(async data => {
        await asked
        data.hits = 1
      })
      delete second.data.otp
      second.data.cart = ['a', 'b']
      await second.session.save()
      const last = second.session.update(data => {
        data.seen = true
      })
      finish()
      await Promise.all([slow, last])
      expect(second.data).toMatchObject({ cart: ['a', 'b'], seen: true })
      expect(second.data).not.toHaveProperty('otp')
      second.data.cart = [...(second.data.cart as string[]), 'c']
      await Promise.all([first.commit(), second.commit()])
      expect(await stored(sessions, cookie)).toEqual({ cart: ['a', 'b', 'c'], hits: 1, seen: true })
    },
  )

  test.each(['last-wins', 'reject'] as const)(
    'I2: an update(fn) that changes nothing hides nothing from what comes after it: %s',
    async conflict => {
      const sessions = await open({ conflict })
      for (const next of ['regenerate', 'update'] as const) {
        const cookie = await created(sessions, { otp: '1234', x: 1 })
        const [first, second] = [await begin(sessions, cookie), await begin(sessions, cookie)]
        delete second.data.otp
        second.data.revoked = true
        await second.commit()
        await first.session.update(data => {
          if (Number(data.x) > 1) data.x = 1
        })
        if (next === 'regenerate') await first.session.regenerate({ userId: 'ada' })
        else await first.session.update(data => void Object.assign(data, { keys: Object.keys(data).length }))
        await first.commit()
        expect(await stored(sessions, next === 'update' ? cookie : cookieOf(first))).toEqual({
          x: 1,
          revoked: true,
          ...(next === 'update' && { keys: 2 }),
        })
      }
    },
  )

  test('of several update(fn) that are written together, none tells another what it does not know itself', async () => {
    const sessions = await open()
    const cookie = await created(sessions, { otp: '1234' })
    const [oldest, first, second] = [
      await begin(sessions, cookie),
      await begin(sessions, cookie),
      await begin(sessions, cookie),
    ]
    const { asked, finish } = untilAsked()
    const slow = oldest.session.update(async data => {
      await asked
      data.hits = 1
    })
    delete first.data.otp
    await first.session.save()
    const others = [
      first.session.update(data => void Object.assign(data, { seen: true })),
      second.session.update(data => void delete data.otp),
    ]
    finish()
    await Promise.all([slow, ...others])
    expect(first.data).not.toHaveProperty('otp')
  })

  test('I2: data that are looked at once the function is over claim nothing', async () => {
    const store = memoryStore()
    const update = store.update.bind(store)
    store.update = async (token, change) => {
      const outcome = await update(token, change)
      await new Promise(resolve => setTimeout(resolve, 10))
      return outcome
    }
    // Two processes.
    const [here, there] = [await open({ store }), await open({ store })]
    const cookie = await created(here, { n: 0 })
    const [first, second] = [await begin(here, cookie), await begin(there, cookie)]
    second.data.cart = ['book']
    await second.commit()
    await first.session.update(data => {
      data.n = 1
      setImmediate(() => JSON.stringify(data))
    })
    await first.session.regenerate({ userId: 'ada' })
    await first.commit()
    expect(await stored(here, cookieOf(first))).toEqual({ n: 1, cart: ['book'] })
  })

  test('a store that is silent is a 503 for all who wait for it, and no conflict', async () => {
    const store = memoryStore()
    const sessions = await open({ store, storeTimeout: 200 })
    const cookie = await created(sessions, { n: 0 })
    const requests = await Promise.all([0, 1, 2, 3, 4, 5].map(() => begin(sessions, cookie)))
    store.update = () => new Promise(() => undefined)
    const updates = requests.map(async ({ session }, at) => {
      await new Promise(resolve => setTimeout(resolve, at))
      return session.update(data => void Object.assign(data, { n: Number(data.n) + 1 }))
    })
    const outcomes = await Promise.allSettled(updates)
    const codes = outcomes.map(each => (each.status === 'rejected' ? each.reason.code : each.status))
    expect(new Set(codes)).toEqual(new Set(['ERR_SESSION_STORE_UNAVAILABLE']))
  })

  test.each([undefined, 'ada'])(
    "C2: with conflict: 'reject' regenerate refuses what another request changed first: userId %s",
    async userId => {
      const sessions = await open({ conflict: 'reject' })
      const cookie = await created(sessions, { x: 1, y: 1 })
      const [first, second] = [await begin(sessions, cookie), await begin(sessions, cookie)]
      second.data.x = 'theirs'
      await second.commit()
      first.data.x = 'ours'
      const regenerated = first.session.regenerate(userId === undefined ? {} : { userId })
      await expect(regenerated).rejects.toMatchObject({ code: 'ERR_SESSION_CONFLICT' })
      expect(await stored(sessions, cookie)).toEqual({ x: 'theirs', y: 1 })
      const third = await begin(sessions, cookie)
      third.data.y = 2
      await third.session.regenerate({ userId: 'ada' })
    },
  )
})

describe('a commit', () => {
  test('is one write, however long that takes', async () => {
    const store = memoryStore()
    let writes = 0
    const slow = async <T>(write: () => Promise<T>): Promise<T> => {
      writes++
      await new Promise(resolve => setTimeout(resolve, 5))
      return write()
    }
    const [create, update] = [store.create.bind(store), store.update.bind(store)]
    store.create = record => slow(() => create(record))
    store.update = (token, change) => slow(() => update(token, change))
    const sessions = await open({ store, touchInterval: 0 })
    const cookie = await created(sessions, { a: 1 })
    expect(writes).toBe(1)
    const request = await begin(sessions, cookie)
    request.data.a = 2
    await request.commit()
    expect(writes).toBe(2)
  })

  test.each([
    ['idle before absolute', 24 * hour, 720 * hour],
    ['idle as long as absolute', 720 * hour, 720 * hour],
  ])('signs the cookie of a rotated secret anew: %s', async (_, idleTimeout, absoluteTimeout) => {
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    const store = memoryStore()
    const limits = { store, idleTimeout, absoluteTimeout }
    const old = await created(await open(limits), { a: 1 })
    vi.setSystemTime(Date.now() + 6 * hour)
    const request = await begin(await open({ ...limits, secret: [newSecret, secret] }), old)
    await request.commit()
    const fresh = cookieOf(request)
    expect(await stored(await open({ ...limits, secret: newSecret }), fresh)).toEqual({ a: 1 })
  })
})

describe('a rotated secret', () => {
  test('C7: a slow request that saved early does not bring its cookie back over a sign-in', async () => {
    const store = memoryStore()
    const cookie = await created(await open({ store }), { a: 1 })
    const rotated = await open({ store, secret: [newSecret, secret] })
    const [slow, signIn] = [await begin(rotated, cookie), await begin(rotated, cookie)]
    slow.data.a = 2
    await slow.session.save()
    await slow.session.update(data => void Object.assign(data, { b: 1 }))
    await signIn.session.regenerate({ userId: 'ada' })
    await signIn.commit()
    await slow.commit()
    expect(slow.setCookie).toBeUndefined()
  })
})

test('C6: an age that was saved is a 503, if the store is down when the browser is to learn of it', async () => {
  const store = memoryStore()
  const sessions = await open({ store })
  const request = await begin(sessions, await created(sessions, { a: 1 }))
  request.session.cookie.maxAge = hour
  await request.session.save()
  vi.spyOn(store, 'update').mockRejectedValueOnce(new Error('ECONNREFUSED'))
  await expect(request.commit()).rejects.toMatchObject({ status: 503 })
  expect(request.setCookie).toBeUndefined()
})

describe('two cookies', () => {
  test('R14: one session, signed with the old and the new secret: the same answer in any order', async () => {
    const store = memoryStore()
    const old = await created(await open({ store }), { a: 1 })
    const rotated = await open({ store, secret: [newSecret, secret], touchInterval: 0 })
    await new Promise(resolve => setTimeout(resolve, 5))
    const request = await begin(rotated, old)
    await request.commit()
    const both = [old, cookieOf(request)]
    await new Promise(resolve => setTimeout(resolve, 5))
    const answers = []
    for (const header of [both.join('; '), both.toReversed().join('; ')]) {
      const again = await begin(rotated, header)
      await again.commit()
      answers.push(again.setCookie)
    }
    expect(answers).toEqual([undefined, undefined])
  })

  test('one names a session that is damaged: the other one is used, and a sign-out ends both', async () => {
    const store = memoryStore()
    const sessions = await open({ store })
    const [damaged, sound] = [await created(sessions, { a: 1 }), await created(sessions, { a: 2 })]
    const bad = (await begin(sessions, damaged)).id
    const { load } = store
    store.load = async token => {
      if (token === bad) throw new SessionError('ERR_SESSION_CORRUPT', 'damaged')
      return load.call(store, token)
    }
    for (const header of [`${damaged}; ${sound}`, `${sound}; ${damaged}`])
      expect(await stored(sessions, header)).toEqual({ a: 2 })
    await expect(begin(sessions, damaged)).rejects.toMatchObject({ code: 'ERR_SESSION_CORRUPT' })
    const request = await begin(sessions, `${damaged}; ${sound}`)
    await request.session.destroy()
    Object.assign(store, { load })
    expect(await stored(sessions, damaged)).toEqual({})
    expect(await stored(sessions, sound)).toEqual({})
  })
})

describe('time', () => {
  test.each(['sign-out', 'sign-in'])(
    'C4: a %s ends what the browser named even if it has expired by the clock of this process',
    async way => {
      const store = memoryStore()
      const sessions = await open({ store })
      const cookie = await created(sessions, { a: 1 })
      const { load } = store
      store.load = async () => null
      const ahead = await begin(sessions, cookie)
      if (way === 'sign-out') await ahead.session.destroy()
      else await ahead.session.regenerate({ userId: 'ada' })
      await ahead.commit()
      Object.assign(store, { load })
      expect(await stored(sessions, cookie)).toEqual({})
    },
  )

  test('I6: a clock that is set forward ends no update', async () => {
    const sessions = await open()
    const cookie = await created(sessions, { n: 0 })
    const request = await begin(sessions, cookie)
    vi.useFakeTimers({ toFake: ['Date'] })
    onTestFinished(() => void vi.useRealTimers())
    await request.session.update(async data => {
      vi.setSystemTime(Date.now() + hour)
      // Somebody is faster the first time, so that it runs again.
      if (data.n === 0) {
        const other = await begin(sessions, cookie)
        other.data.n = 1
        await other.commit()
      }
      data.m = data.n
    })
    expect(await stored(sessions, cookie)).toEqual({ n: 1, m: 1 })
  })

  test('I6: who waits for an update(fn) that took long is not kept waiting as long again', async () => {
    const sessions = await open({ storeTimeout: 1000 })
    const cookie = await created(sessions, { n: 0 })
    const requests = await Promise.all([0, 1, 2].map(() => begin(sessions, cookie)))
    const updates = requests.map(({ session }, at) =>
      session.update(async data => {
        if (at === 0) await new Promise(resolve => setTimeout(resolve, 650))
        data.n = Number(data.n) + 1
      }),
    )
    await Promise.all(updates)
    expect(await stored(sessions, cookie)).toEqual({ n: 3 })
  })

  test('I6: the longest storeTimeout is not the shortest', async () => {
    const sessions = await open({ storeTimeout: 2 ** 31 - 1 })
    const cookie = await created(sessions, { n: 0 })
    const request = await begin(sessions, cookie)
    await request.session.update(async data => {
      await new Promise(resolve => setTimeout(resolve, 10))
      data.n = 1
    })
    expect(await stored(sessions, cookie)).toEqual({ n: 1 })
  })
})

test('a control as a key is refused where update(fn) sets it', async () => {
  const request = await begin(await open())
  let refused: unknown
  await request.session.update(data => {
    try {
      data.id = 5
    } catch (error) {
      refused = error
    }
  })
  expect(refused).toMatchObject({ message: expect.stringContaining('session.id is a part of every session') })
})
