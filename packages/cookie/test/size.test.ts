import { cookieStore } from '@sojourn/cookie'
import type { SessionOptions } from '@sojourn/core'
import { describe, expect, it } from 'vitest'
import { type Answer, cookieValue, openSite } from './site.ts'

const kinds = [
  ['signed', {}],
  ['sealed', { SESSION_COOKIE_SEALED: '1' }],
] as const

type Get = Awaited<ReturnType<typeof openSite>>

/** Remembers a note of `?length` times `?character`. */
function openNotes(options: SessionOptions): Promise<Get> {
  return openSite(options, async (session, { pathname, searchParams }) => {
    if (pathname === '/sign-in') await session.regenerate({ userId: 'ada' })
    session.theme = 'dark'
    session.note = searchParams.get('character')?.repeat(Number(searchParams.get('length')))
    return [session.userId, session.theme]
  })
}

/** The most characters of which the session still takes a note; the next one was refused. */
async function fill(get: Get, cookie: string, character: string): Promise<{ most: Answer; refused: Answer }> {
  let [fits, tooMany] = [0, 4096]
  while (tooMany - fits > 1) {
    const middle = Math.floor((fits + tooMany) / 2)
    const { status } = await note(get, cookie, character, middle)
    if (status === 200) fits = middle
    else tooMany = middle
  }
  return {
    most: await note(get, cookie, character, fits),
    refused: await note(get, cookie, character, tooMany),
  }
}

function note(get: Get, cookie: string, character: string, length: number): Promise<Answer> {
  return get(`/?character=${encodeURIComponent(character)}&length=${length}`, cookie)
}

describe.each(kinds)('R12 the %s cookie', (_, env) => {
  it.each(['x', 'é', '東', '\u{1f98a}'])(
    'takes a session of as many "%s" as fit 4096 bytes',
    async character => {
      const get = await openNotes({ env })
      const signedIn = await get('/sign-in')
      const { most, refused } = await fill(get, signedIn.cookie ?? '', character)
      const size = Buffer.byteLength(most.cookie ?? '') - '='.length
      expect(size).toBeLessThanOrEqual(4096)
      // One more character is 1 to 4 bytes, and up to 6 of base64.
      expect(size).toBeGreaterThan(4096 - 6)
      expect((await get('/', most.cookie)).body).toEqual(['ada', 'dark'])
      expect(refused).toEqual({ status: 500, body: 'ERR_SESSION_COOKIE_TOO_LARGE', cookie: undefined })
      expect((await get('/', signedIn.cookie)).body).toEqual(['ada', 'dark'])
    },
  )

  it('leaves the old session alone when a sign-in would not fit', async () => {
    const get = await openSite({ env }, async (session, url) => {
      if (url.pathname === '/large') {
        session.note = 'x'.repeat(5000)
        await session.regenerate({ userId: 'eve' })
      }
      if (url.pathname === '/sign-in') await session.regenerate({ userId: 'ada' })
      return session.userId ?? null
    })
    const { cookie } = await get('/sign-in')
    const large = await get('/large', cookie)
    expect(large).toEqual({ status: 500, body: 'ERR_SESSION_COOKIE_TOO_LARGE', cookie: undefined })
    expect((await get('/', cookie)).body).toBe('ada')
  })
})

it('takes exactly 4096 bytes of name and value, and not one more', async () => {
  // Base64 of 3n + 1 bytes is 4n + 2 characters: with the name's length every size can be met.
  const sizes = new Set<number>()
  for (const name of ['s', 'si', 'sid', 'sids']) {
    const get = await openNotes({ cookie: { name } })
    for (let length = 2900; length < 2980; length++) {
      const { status, cookie } = await note(get, '', 'x', length)
      if (status === 200) sizes.add(name.length + cookieValue(cookie).length)
    }
  }
  expect(Math.max(...sizes)).toBe(4096)
})

it('counts the name of the cookie', async () => {
  const data = { note: 'x'.repeat(2900) }
  const record = { data, createdAt: Date.now(), expiresAt: Date.now() + 1000 }
  const tooLarge = expect.objectContaining({ code: 'ERR_SESSION_COOKIE_TOO_LARGE' })
  await expect(cookieStore({ cookieName: 'sid' }).create(record)).resolves.toHaveProperty('token')
  await expect(cookieStore({ cookieName: 's'.repeat(200) }).create(record)).rejects.toEqual(tooLarge)
})
