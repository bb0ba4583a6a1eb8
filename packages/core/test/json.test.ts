import { isDeepStrictEqual } from 'node:util'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { assertJson } from '../src/json.ts'
import { anything, nested, plain } from './anything.ts'

class Point {
  readonly x = 1
}

function refusal(value: unknown): unknown {
  try {
    assertJson(value, 'value')
    return null
  } catch (error) {
    return error
  }
}

describe('assertJson', () => {
  test('Property: parse(serialize(x)) is x, or x is refused with a typed error', () => {
    fc.assert(
      fc.property(anything, value => {
        const error = refusal(value)
        if (error !== null) expect(error).toMatchObject({ code: 'ERR_SESSION_VALUE', status: 500 })
        else expect(isDeepStrictEqual(JSON.parse(JSON.stringify(value)), plain(value))).toBe(true)
      }),
      { numRuns: 5000 },
    )
  })

  test('Property: all that JSON can hold is accepted', () => {
    fc.assert(
      fc.property(
        fc.jsonValue().filter(value => !JSON.stringify(value).includes('\\')),
        value => {
          fc.pre(!/__proto__|-0/.test(inspectKeys(value)))
          expect(refusal(value)).toBeNull()
        },
      ),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['undefined', undefined, 'session.value is undefined'],
    ['NaN', Number.NaN, 'session.value is NaN'],
    ['Infinity', { a: Number.NEGATIVE_INFINITY }, 'session.value.a is -Infinity'],
    ['-0', [1, -0], 'session.value[1] is -0'],
    ['a bigint', 1n, 'session.value is a bigint'],
    ['a symbol', Symbol('s'), 'session.value is a symbol'],
    ['a function', { a: { b: () => 1 } }, 'session.value.a.b is a function'],
    ['a Date', new Date(), 'session.value is a Date'],
    ['a Map', new Map(), 'session.value is a Map'],
    ['a RegExp', /x/, 'session.value is a RegExp'],
    ['a Buffer', Buffer.from('x'), 'session.value is a Buffer'],
    ['a boxed string', Object('x'), 'session.value is a String'],
    ['a class instance', new Point(), 'session.value is a Point'],
    ['an inherited value', Object.create({ a: 1 }), 'session.value is a Object'],
    [
      'an array with a hole and a key',
      Object.assign([1, 2, 3].with(2, 3).slice(0, 1).concat(new Array(1)), { a: 1 }),
      'holes',
    ],
    ['an array with a hole', [1, undefined, 3].filter((_, at) => at !== 1).concat(new Array(1)), 'holes'],
    ['an array with an extra key', Object.assign([1], { extra: 1 }), 'extra keys'],
    ['a toJSON', { toJSON: () => 1 }, 'toJSON'],
    ['a symbol as a key', { [Symbol('s')]: 1 }, 'symbol'],
    [
      'an own __proto__',
      JSON.parse('{"a":{"__proto__":1}}'),
      'session.value.a is an object with a key named __proto__',
    ],
    ['a subclass of Array', new (class List extends Array {})(), 'session.value is a List'],
    [
      'a hidden property',
      Object.defineProperty({}, 'a', { value: 1 }),
      'session.value is an object with a hidden key',
    ],
  ])('%s is refused, with its path and what to do', (_, value, message) => {
    expect(refusal(value)).toMatchObject({
      code: 'ERR_SESSION_VALUE',
      message: expect.stringContaining(message),
    })
  })

  test.each([
    ['a toJSON that is data', { toJSON: 'text' }],
    ['lone surrogates', { '\ud800': '\udfff' }],
    ['a null prototype', Object.assign(Object.create(null), { a: 1 })],
    ['objects of another realm', runInNewContext('({ list: [{ a: 1 }] })')],
    ['the same object twice', (([a]) => [a, a])([{ a: 1 }])],
    ['500 levels', nested(500)],
  ])('%s is accepted, and comes back', (_, value) => {
    expect(refusal(value)).toBeNull()
    expect(JSON.parse(JSON.stringify(value))).toEqual(plain(value))
  })

  test('10,000 levels and a cycle are typed errors, with a path that can be read', () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = cycle
    for (const value of [nested(10_000), cycle]) {
      expect(refusal(value)).toMatchObject({ code: 'ERR_SESSION_VALUE' })
      expect(String(refusal(value)).length).toBeLessThan(300)
    }
  })

  test('no message shows a value, only paths', () => {
    expect(String(refusal({ a: ['canary', new Date('2001-02-03')] }))).not.toMatch(/canary|2001/)
  })

  test('Property: Object.prototype is what it was', () => {
    const before = Reflect.ownKeys(Object.prototype)
    refusal(JSON.parse('{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}'))
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before)
  })
})

function inspectKeys(value: unknown): string {
  return JSON.stringify(value, (key, inner) =>
    Object.is(inner, -0) ? '-0' : key === '__proto__' ? '__proto__' : inner,
  )
}
