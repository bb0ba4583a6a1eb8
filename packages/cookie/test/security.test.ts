import { setTimeout as sleep } from 'node:timers/promises'
import { cookieStore } from '@sojourn/cookie'
import { openSessions, type SessionOptions } from '@sojourn/core'
import { describe, expect, it } from 'vitest'
import { cookieValue, openSite, secret } from './site.ts'

const sealing = { env: { SESSION_COOKIE_SEALED: '1' } }
const anonymous = { userId: null }

describe.each([
  ['signed', {}],
  ['sealed', sealing],
] as const)('the %s cookie', (kind, options: SessionOptions) => {
  it('keeps a session, and each write gives another cookie', async () => {
    const get = await openSite(options)
    const first = await get('/sign-in?a=1')
    const second = await get('/?b=2', first.cookie)
    const third = await get('/?b=2', first.cookie)
    expect((await get('/', second.cookie)).body).toEqual({ userId: 'ada', a: '1', b: '2' })
    expect(new Set([first.cookie, second.cookie, third.cookie]).size).toBe(3)
  })

  it('R20 is void with any one character changed, cut or added', async () => {
    const get = await openSite(options)
    const { cookie = '' } = await get('/sign-in')
    const begin = cookie.indexOf('=') + 1
    for (let at = begin; at < cookie.length; at++) {
      const flipped = cookie[at] === 'A' ? 'B' : 'A'
      for (const forged of [
        `${cookie.slice(0, at)}${flipped}${cookie.slice(at + 1)}`,
        `${cookie.slice(0, at)}${cookie.slice(at + 1)}`,
      ]) {
        expect((await get('/', forged)).body, `character ${at}`).toEqual(anonymous)
      }
    }
    for (const tail of ['A', '=', '.']) expect((await get('/', cookie + tail)).body).toEqual(anonymous)
    expect((await get('/', cookie)).body).toEqual({ userId: 'ada' })
  })

  it('R21 is void after the expiry that is sealed inside, whatever the browser does', async () => {
    const get = await openSite({ ...options, idleTimeout: 1000 })
    const { cookie } = await get('/sign-in')
    expect((await get('/', cookie)).body).toEqual({ userId: 'ada' })
    await sleep(1050)
    expect((await get('/', cookie)).body).toEqual(anonymous)
  })

  it('R22 is void under another name, prefix, secret or kind', async () => {
    const get = await openSite(options)
    const value = cookieValue((await get('/sign-in')).cookie)
    const other = kind === 'signed' ? sealing : {}
    const places: [SessionOptions, string][] = [
      [{ ...options, cookie: { name: 'id' } }, 'id'],
      [{ ...options, keyPrefix: 'admin:' }, 'sid'],
      [{ ...options, secret: 'the secret of quite another site, is it not?' }, 'sid'],
      [other, 'sid'],
    ]
    for (const [elsewhere, name] of places) {
      const there = await openSite(elsewhere)
      expect((await there('/', `${name}=${value}`)).body).toEqual(anonymous)
    }
    expect((await get('/', `sid=${value}`)).body).toEqual({ userId: 'ada' })
  })

  it('is rotated: a former secret opens, the current one writes, and nobody is signed out', async () => {
    const former = 'the secret that this site had last year'
    const before = await openSite({ ...options, secret: former })
    const between = await openSite({ ...options, secret: [secret, former] })
    const after = await openSite({ ...options, secret })
    const old = await before('/sign-in')
    const renewed = await between('/?a=1', old.cookie)
    expect(renewed.body).toEqual({ userId: 'ada', a: '1' })
    expect((await after('/', renewed.cookie)).body).toEqual({ userId: 'ada', a: '1' })
    expect((await after('/', old.cookie)).body).toEqual(anonymous)
  })

  it('a sign-out drops the cookie, and can not end a copy of it', async () => {
    const get = await openSite(options)
    const { cookie } = await get('/sign-in')
    expect((await get('/sign-out', cookie)).cookie).toBe('sid=')
    expect((await get('/', cookie)).body).toEqual({ userId: 'ada' })
  })
})

describe('R23 what the cookie shows', () => {
  const canary = 'CANARY-of-ada'

  async function decoded(options: SessionOptions): Promise<string> {
    const get = await openSite(options)
    const value = cookieValue((await get(`/sign-in?${canary}=${canary}`)).cookie)
    return [value, ...value.split('.').map(part => Buffer.from(part, 'base64url').toString('latin1'))].join()
  }

  it('signed only: everything, to whoever has it', async () => {
    expect(await decoded({})).toContain(canary)
  })

  it('sealed: nothing', async () => {
    const text = await decoded(sealing)
    expect(text).not.toContain(canary)
    expect(text).not.toContain('ada')
  })
})

describe('the keys of a sealed cookie', () => {
  const record = { data: { a: 1 }, createdAt: Date.now(), expiresAt: Date.now() + 60_000 }

  it('are the same for cookieStore and for SESSION_STORE=cookie', async () => {
    const { store: selected } = await openSessions({
      store: 'cookie',
      secret,
      env: sealing.env,
      logger: { info() {}, warn() {}, error() {} },
    })
    const made = cookieStore({ sealed: true, secret, cookieName: 'sid' })
    const { token } = await made.create(record)
    expect((await selected.load(token))?.record).toEqual(record)
    const elsewhere = cookieStore({ sealed: true, secret, cookieName: 'sid', keyPrefix: 'x:' })
    expect(await elsewhere.load(token)).toBeNull()
  })

  it('are rotated', async () => {
    const [first, second, third] = ['first', 'second', 'third'].map(word => word.repeat(8))
    const storeOf = (...secrets: (string | undefined)[]) =>
      cookieStore({ sealed: true, secret: secrets.map(String) })
    const { token } = await storeOf(first).create(record)
    expect(await storeOf(third, second, first).load(token)).not.toBeNull()
    expect(await storeOf(third, second).load(token)).toBeNull()
    const update = await storeOf(second, first).update(token, { set: { b: 2 } })
    if (update.status !== 'written') throw new Error(update.status)
    expect((await storeOf(second).load(update.token))?.record.data).toEqual({ a: 1, b: 2 })
  })

  it('come from SECRET_KEY, or else from nowhere', async () => {
    const kept = { ...process.env }
    try {
      delete process.env.SECRET_KEY
      process.env.SECRET_KEY_FALLBACKS = secret
      const missing = expect.objectContaining({ code: 'ERR_SESSION_SECRET' })
      expect(thrownBy(() => cookieStore({ sealed: true }))).toEqual(missing)
      expect(thrownBy(() => cookieStore({ sealed: true, secret: '' }))).toEqual(missing)
      expect(thrownBy(() => cookieStore({ sealed: true, secret: [] }))).toEqual(missing)
      process.env.SECRET_KEY = `${secret}, now`
      const { token } = await cookieStore({ sealed: true, secret }).create(record)
      expect(await cookieStore({ sealed: true }).load(token)).not.toBeNull()
      process.env.NODE_ENV = 'production'
      expect(thrownBy(() => cookieStore({ sealed: true, secret: 'changeme' }))).toEqual(missing)
    } finally {
      process.env = kept
    }
  })

  it('a SESSION_COOKIE_SEALED that means nothing fails the start', async () => {
    const opened = openSessions({ store: 'cookie', secret, env: { SESSION_COOKIE_SEALED: 'maybe' } })
    await expect(opened).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
  })
})

function thrownBy(call: () => unknown): unknown {
  try {
    return call()
  } catch (error) {
    return error
  }
}
