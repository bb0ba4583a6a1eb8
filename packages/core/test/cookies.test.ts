import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { clearCookie, cookieSettings, findCookies, maxCookieBytes, serializeCookie } from '../src/cookies.ts'

/** RFC 6265bis, 4.2.1 and 5.6, in the plainest way: split at semicolons, at the first equals sign, trim spaces and tabs. */
function reference(header: string, name: string): string[] {
  const values = []
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1) continue
    if (trim(pair.slice(0, equals)) === name) values.push(trim(pair.slice(equals + 1)))
  }
  return values
}

function trim(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, '')
}

/** Headers made of what could confuse a parser of this name. */
function hostileHeader(name: string): fc.Arbitrary<string> {
  const parts = [
    name,
    name,
    '=',
    '=',
    ';',
    ';',
    ' ',
    '\t',
    '\u00a0',
    '"',
    name.slice(1),
    name[0] ?? '',
    'x',
    ',',
    '%73',
  ]
  return fc.array(fc.constantFrom(...parts), { maxLength: 60 }).map(list => list.join(''))
}

/**
 * Counts how many characters of a text were looked at, which is the same on every machine: each that is read alone, those
 * that a method passes over or returns, and all of them for a method of which that is not known.
 */
function counted(text: string): { header: string; looks: () => number } {
  let looks = 0
  const methods: Record<string, unknown> = {
    indexOf(part: string, from = 0) {
      const at = text.indexOf(part, from)
      looks += (at === -1 ? text.length : at + part.length) - Math.min(from, text.length)
      return at
    },
    slice(start: number, end?: number) {
      const slice = text.slice(start, end)
      looks += slice.length
      return slice
    },
  }
  const header = new Proxy(Object(text), {
    get(_, key) {
      if (typeof key === 'string' && Object.hasOwn(methods, key)) return methods[key]
      const member: unknown = Reflect.get(Object(text), key)
      looks += typeof member === 'function' ? text.length : 1
      return typeof member === 'function' ? member.bind(text) : member
    },
  })
  return { header, looks: () => looks }
}

describe('findCookies', () => {
  test.each(['sid', '__Host-sid', 'aa', 'a', '$', 'sidsid'])(
    'Property: never throws, and agrees with the reference parser for %s',
    name => {
      fc.assert(
        fc.property(fc.oneof(hostileHeader(name), fc.string({ unit: 'binary' })), header => {
          expect(findCookies(header, name)).toEqual(reference(header, name))
        }),
        { numRuns: 2000 },
      )
    },
  )

  test('Property: looks at each character a few times at most, however long the header', () => {
    for (const name of ['sid', '__Host-sid', 'aa']) {
      fc.assert(
        fc.property(hostileHeader(name), part => {
          const text = part.repeat(Math.ceil(16_384 / Math.max(1, part.length)))
          const { header, looks } = counted(text)
          expect(findCookies(header, name)).toEqual(reference(text, name))
          expect(looks()).toBeLessThanOrEqual((name.length + 8) * (text.length + 1))
        }),
      )
    }
  })

  test('agrees with it for 16 KB of the worst', () => {
    for (const part of ['sid', 'sid=', 'sid ', ' ', 'sid;', ';', '=', 'sid=x; ']) {
      const header = part.repeat(Math.ceil(16_384 / part.length))
      expect(findCookies(header, 'sid')).toEqual(reference(header, 'sid'))
    }
  })

  test('no header, no cookies', () => {
    expect(findCookies(undefined, 'sid')).toEqual([])
    expect(findCookies('', 'sid')).toEqual([])
  })

  test('R14: all of one name, in the order of the header', () => {
    expect(findCookies('sid=a; x=y; sid=b;sid=', 'sid')).toEqual(['a', 'b', ''])
  })

  test('R15: exact names only', () => {
    const header =
      '__host-sid=a; %5f%5fHost-sid=b; =__Host-sid=c; \u00a0__Host-sid=d; x__Host-sid=e; __Host-sidx=f'
    expect(findCookies(header, '__Host-sid')).toEqual([])
  })
})

describe('serializeCookie', () => {
  const settings = cookieSettings({}, true)

  test('R9 R10 R11: the defaults in production', () => {
    expect(serializeCookie(settings, 'value')).toBe(
      '__Host-sid=value; Path=/; HttpOnly; Secure; SameSite=Lax',
    )
  })

  test('R13: Max-Age is whole seconds, rounded up, and at most 400 days', () => {
    expect(serializeCookie(settings, 'v', 1001)).toMatch(/; Max-Age=2$/)
    expect(serializeCookie(settings, 'v', 0)).toMatch(/; Max-Age=0$/)
    expect(serializeCookie(settings, 'v', -5)).toMatch(/; Max-Age=0$/)
    expect(serializeCookie(settings, 'v', Number.MAX_VALUE)).toMatch(/; Max-Age=34560000$/)
  })

  test('R12: a name and value of 4096 bytes fit, one more is a typed error', () => {
    const longest = 'v'.repeat(maxCookieBytes - settings.name.length)
    expect(serializeCookie(settings, longest)).toContain(longest)
    expect(() => serializeCookie(settings, `${longest}v`)).toThrow(
      expect.objectContaining({
        code: 'ERR_SESSION_COOKIE_TOO_LARGE',
        message: expect.stringContaining('4097'),
      }),
    )
  })

  test('Property: what it writes, findCookies finds', () => {
    const value = fc.string({ unit: fc.constantFrom(...'abcXYZ019-_.~+/') })
    fc.assert(
      fc.property(value, text => {
        const [pair = ''] = serializeCookie(settings, text).split('; ')
        expect(findCookies(`a=b; ${pair}; c=d`, settings.name)).toEqual([text])
      }),
    )
  })

  test('clearing has the same attributes, and both ways to expire', () => {
    expect(clearCookie(settings)).toBe(
      '__Host-sid=; Path=/; HttpOnly; Secure; SameSite=Lax; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT',
    )
  })
})

describe('cookieSettings', () => {
  test.each([
    [{}, false, 'sid', '; Path=/; HttpOnly; SameSite=Lax'],
    [{}, true, '__Host-sid', '; Path=/; HttpOnly; Secure; SameSite=Lax'],
    [{ secure: false }, true, 'sid', '; Path=/; HttpOnly; SameSite=Lax'],
    [
      { name: 'app', sameSite: 'strict', path: '/app' },
      false,
      'app',
      '; Path=/app; HttpOnly; SameSite=Strict',
    ],
    [
      { name: 'app', domain: 'example.com' },
      true,
      'app',
      '; Path=/; Domain=example.com; HttpOnly; Secure; SameSite=Lax',
    ],
    [{ sameSite: 'none' }, true, '__Host-sid', '; Path=/; HttpOnly; Secure; SameSite=None'],
    [{ httpOnly: false }, false, 'sid', '; Path=/; SameSite=Lax'],
  ] as const)('%j in production: %s', (options, production, name, attributes) => {
    expect(cookieSettings(options, production)).toMatchObject({ name, attributes })
  })

  test.each([
    [{ sameSite: 'None', secure: false }, 'sameSite'],
    [{ sameSite: 'Sometimes' }, 'sameSite'],
    [{ name: '__Host-app', secure: false }, 'name'],
    [{ name: '__Secure-app', secure: false }, 'name'],
    [{ name: '__host-app', secure: false }, 'name'],
    [{ name: '__Host-app', path: '/app' }, 'name'],
    [{ path: '/app' }, 'name'],
    [{ domain: 'example.com' }, 'name'],
    [{ name: 'a=b' }, 'name'],
    [{ name: 'a b' }, 'name'],
    [{ name: '' }, 'name'],
    [{ name: 'n'.repeat(256) }, 'name'],
    [{ name: 'sid', path: 'app' }, 'path'],
    [{ name: 'sid', path: '/a; Domain=evil.example' }, 'path'],
    [{ name: 'sid', domain: 'example.com; Secure' }, 'domain'],
    [{ name: 'sid', domain: '' }, 'domain'],
  ])('R9 R10: %j is refused, naming %s', (options, setting) => {
    expect(() => cookieSettings(options as object, true)).toThrow(
      expect.objectContaining({
        code: 'ERR_SESSION_SETTING',
        message: expect.stringContaining(`cookie.${setting} `),
      }),
    )
  })
})
