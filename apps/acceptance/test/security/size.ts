import type { Reply, Site } from '@sojourn/http-conformance'
import { describe, expect, test } from 'vitest'
import type { OutsideMedium } from './kinds.ts'
import type { Place } from './place.ts'

const limit = 4096

/** Signed in, remembers a note of `length` times `character`. */
async function openNotes({ open }: Place, name: string): Promise<Site<OutsideMedium>> {
  return open(
    {
      '/note': ({ owner, url, send }) => {
        const { searchParams } = new URL(url, 'http://site')
        owner.session.note = searchParams.get('character')?.repeat(Number(searchParams.get('length')))
        send('noted')
      },
    },
    {
      cookie: { name },
      errors: {
        answer: error => ({
          status: 500,
          body: `${error instanceof Error && 'code' in error && error.code} ${error}`,
        }),
      },
    },
  )
}

function bytesOf({ setCookies: [line = ''] }: Reply): number {
  return Buffer.byteLength(line.split(';')[0] ?? '') - '='.length
}

/** Adds one character after the other to a note that almost fits, until it does not: the sizes, and what refused. */
async function fill(
  site: Site<OutsideMedium>,
  character: string,
): Promise<{ sizes: number[]; refused: Reply }> {
  const ada = await site.signedIn()
  const note = (length: number) =>
    ada.copy().get(`/note?character=${encodeURIComponent(character)}&length=${length}`)
  const empty = bytesOf(await note(0))
  // Base64 makes four characters of three bytes.
  const close = Math.floor(((limit - empty) * 3) / 4 / Buffer.byteLength(character)) - 4
  const sizes: number[] = []
  for (let length = close; ; length++) {
    const reply = await note(length)
    if (reply.status !== 200) {
      expect((await ada.get('/read')).json()).toEqual({ userId: 'ada' })
      return { sizes, refused: reply }
    }
    sizes.push(bytesOf(reply))
  }
}

/** RFC 6265bis, 5.7: browsers drop a larger cookie without a word. */
export function size(place: Place): void {
  describe('the size of the cookie', () => {
    if (place.kind.revokes) {
      test('R12: a session of 100 KB does not make its cookie larger', async () => {
        const site = await openNotes(place, 'sid')
        const visitor = site.visitor()
        expect(bytesOf(await visitor.get('/note?character=x&length=100000'))).toBe('sid'.length + 43 + 44)
        expect((await visitor.get('/read')).json()).toEqual({ note: 'x'.repeat(100_000) })
      })

      test('R12: the longest name fits, a longer one fails the start', async () => {
        const longest = 'n'.repeat(255)
        const visitor = (await openNotes(place, longest)).visitor()
        expect(bytesOf(await visitor.get('/sign-in'))).toBe(longest.length + 43 + 44)
        expect((await visitor.get('/read')).json()).toEqual({ userId: 'ada' })
        await expect(openNotes(place, `${longest}n`)).rejects.toMatchObject({ code: 'ERR_SESSION_SETTING' })
      })
      return
    }

    test('R12: 4096 bytes of name and value fit; 4097 are a typed error, and the old session is intact', async () => {
      // Base64 skips one length in four: with the name's length every size can be met.
      const sizes = new Set<number>()
      const refusals: string[] = []
      for (const name of ['s', 'si', 'sid', 'sids']) {
        const { sizes: some, refused } = await fill(await openNotes(place, name), 'x')
        for (const each of some) sizes.add(each)
        refusals.push(refused.body)
        expect(refused.setCookies).toEqual([])
      }
      expect(Math.max(...sizes)).toBe(limit)
      for (const body of refusals)
        expect(body).toMatch(/^ERR_SESSION_COOKIE_TOO_LARGE .* of (4097|4098) bytes/)
      expect(refusals.join()).toContain(`of ${limit + 1} bytes`)
    })

    test.each(['\u00e9', '\u6771', '\u{1f98a}'])(
      'R12: it is bytes that count, not characters: %s',
      async character => {
        const { sizes, refused } = await fill(await openNotes(place, 'sid'), character)
        expect(Math.max(...sizes)).toBeLessThanOrEqual(limit)
        // One more character is up to four bytes, and up to six of base64.
        expect(Math.max(...sizes)).toBeGreaterThan(limit - 6)
        expect(refused.body).toContain('ERR_SESSION_COOKIE_TOO_LARGE')
      },
    )
  })
}
