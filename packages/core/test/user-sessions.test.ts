import { describe, expect, onTestFinished, test } from 'vitest'
import { openSessions, type SessionOptions, type Sessions, type SignedIn } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'

async function open(options: SessionOptions = {}): Promise<Sessions> {
  const sessions = await openSessions({ store: memoryStore(), secret, env: {}, logger: silent, ...options })
  onTestFinished(() => sessions.close())
  return sessions
}

async function begin(sessions: Sessions, cookie?: string) {
  const request = sessions.begin(cookie)
  await request.load()
  return request
}

async function signIn(sessions: Sessions, userId: string, metadata?: object, before?: string) {
  const request = await begin(sessions, before)
  await request.session.regenerate({ userId, ...(metadata !== undefined && { metadata: { ...metadata } }) })
  await request.commit()
  return { session: request.session, cookie: request.setCookie?.split(';')[0] ?? '' }
}

async function listOf(sessions: Sessions, userId: string): Promise<SignedIn[]> {
  const found: SignedIn[] = []
  for await (const session of sessions.ofUser(userId).list()) found.push(session)
  return found
}

describe('sessions.ofUser', () => {
  test('list tells of each session what was noted at the sign-in, and when it was used, without its id', async () => {
    const sessions = await open()
    const before = Date.now()
    const { session } = await signIn(sessions, 'ada', { device: 'phone' })
    const [only, ...more] = await listOf(sessions, 'ada')
    const handle = sessions.ofUser('ada').handleOf(session)
    expect(more).toEqual([])
    expect(only).toMatchObject({ handle, metadata: { device: 'phone' } })
    expect(only?.createdAt).toBeGreaterThanOrEqual(before)
    expect(only?.lastUsedAt).toBe(only?.createdAt)
    expect(only?.expiresAt).toBe(Number(only?.createdAt) + 24 * 3_600_000)
    expect(JSON.stringify(only)).not.toContain(session.id)
    expect(await listOf(sessions, 'bob')).toEqual([])
  })

  test('what was noted stays when the session is regenerated or changed, and does not go on to another user', async () => {
    const sessions = await open()
    const { cookie } = await signIn(sessions, 'ada', { device: 'phone' })
    const request = await begin(sessions, cookie)
    await request.session.regenerate()
    await request.session.update(data => Object.assign(data, { a: 1 }))
    expect((await listOf(sessions, 'ada')).map(({ metadata }) => metadata)).toEqual([{ device: 'phone' }])
    await request.session.regenerate({ userId: 'bob' })
    expect(await listOf(sessions, 'ada')).toEqual([])
    expect((await listOf(sessions, 'bob')).map(({ metadata }) => metadata)).toEqual([undefined])
  })

  test('destroy ends the session of a handle, and none of another user', async () => {
    const sessions = await open()
    const [here, there] = [await signIn(sessions, 'ada'), await signIn(sessions, 'ada')]
    const ada = sessions.ofUser('ada')
    const handle = ada.handleOf(there.session) ?? ''
    expect(await sessions.ofUser('bob').destroy(handle)).toBe(false)
    expect(await ada.destroy(handle)).toBe(true)
    expect(await ada.destroy(handle)).toBe(false)
    expect((await begin(sessions, there.cookie)).userId).toBeUndefined()
    expect((await begin(sessions, here.cookie)).userId).toBe('ada')
    expect(await ada.count()).toBe(1)
  })

  test('destroyAll ends all, or all but that of the request', async () => {
    const sessions = await open()
    const [here, ...elsewhere] = [
      await signIn(sessions, 'ada'),
      await signIn(sessions, 'ada'),
      await signIn(sessions, 'ada'),
    ]
    const ada = sessions.ofUser('ada')
    expect(await ada.destroyAll({ except: here.session })).toBe(2)
    for (const { cookie } of elsewhere) expect((await begin(sessions, cookie)).userId).toBeUndefined()
    expect((await begin(sessions, here.cookie)).userId).toBe('ada')
    expect(await ada.destroyAll()).toBe(1)
  })

  test('a regenerate that lost against destroyAll leaves nobody signed in, whatever the request tries', async () => {
    const store = memoryStore()
    const sessions = await open({ store })
    const { cookie } = await signIn(sessions, 'ada')
    const request = await begin(sessions, cookie)
    const update = store.update.bind(store)
    store.update = async (token, change) => {
      const outcome = await update(token, change)
      await sessions.ofUser('ada').destroyAll()
      return outcome
    }
    await expect(request.session.regenerate()).rejects.toMatchObject({
      code: 'ERR_SESSION_GONE',
      status: 409,
    })
    Object.assign(request.session, { late: true })
    await request.session.save().catch(() => undefined)
    await expect(request.commit()).rejects.toMatchObject({ code: 'ERR_SESSION_GONE' })
    expect(await listOf(sessions, 'ada')).toEqual([])
    expect(request.userId).toBeUndefined()
  })

  test.each([
    [{ metadata: 'phone' }, TypeError],
    [{ metadata: ['phone'] }, TypeError],
    [{ metadata: { note: 'x'.repeat(1024) } }, TypeError],
    [{ metadata: { when: new Date() } }, /session.metadata.when is a Date/],
    [{ userId: 7 }, TypeError],
  ])('what was noted must be small, plain and JSON: %j', async (options, error) => {
    const { session } = await begin(await open())
    expect(() => session.regenerate({ userId: 'ada', ...(options as object) })).toThrow(error)
  })

  test('a store without an index says so at once', async () => {
    const sound = memoryStore()
    const store = Object.assign(sound, { name: 'my', supports: { ...sound.supports, userIndex: false } })
    const sessions = await openSessions({ store, secret, env: {}, logger: silent })
    expect(() => sessions.ofUser('ada')).toThrow(/my store does not know/)
    await expect(
      openSessions({ store, secret, env: {}, logger: silent, maxPerUser: 3 }),
    ).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
  })
})

describe('maxPerUser', () => {
  test('ends the oldest sign-ins', async () => {
    const sessions = await open({ maxPerUser: 2 })
    const [first, second, third] = [
      await signIn(sessions, 'ada'),
      await signIn(sessions, 'ada'),
      await signIn(sessions, 'ada'),
    ]
    expect((await begin(sessions, first.cookie)).userId).toBeUndefined()
    for (const { cookie } of [second, third]) expect((await begin(sessions, cookie)).userId).toBe('ada')
  })

  test('with refuse: a 409, and who is refused keeps the session of before, with all that is in it', async () => {
    const sessions = await open({ maxPerUser: 1, onMaxPerUser: 'refuse' })
    const { cookie } = await signIn(sessions, 'ada')
    const visitor = await begin(sessions)
    Object.assign(visitor.session, { basket: 'book' })
    await visitor.commit()
    const basket = visitor.setCookie?.split(';')[0] ?? ''
    await expect(signIn(sessions, 'ada', {}, basket)).rejects.toMatchObject({
      code: 'ERR_SESSION_LIMIT',
      status: 409,
    })
    expect({ ...(await begin(sessions, basket)).session }).toEqual({ basket: 'book' })
    expect((await begin(sessions, cookie)).userId).toBe('ada')
    // The one that is there is no sign-in.
    await signIn(sessions, 'ada', {}, cookie)
    expect(await sessions.ofUser('ada').count()).toBe(1)
  })

  test.each([[{ maxPerUser: -1 }], [{ maxPerUser: 1.5 }], [{ onMaxPerUser: 'newest' }]])(
    'fails the start if it can not be: %j',
    async options => {
      await expect(open(options as SessionOptions)).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
    },
  )
})
