/** Data that every store keeps exactly. Each is small enough for a cookie. */
export const goodData: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  'null, booleans and the empty string': { nothing: null, yes: true, no: false, text: '' },
  'empty arrays and objects, also nested': { a: [], o: {}, n: [[], {}, [[]], { a: [], o: {} }] },
  'nested arrays and objects': { a: [1, [2, [3, { b: [{ c: 'd' }] }]]], o: { p: { q: { r: [null] } } } },
  'integers up to the safe limits': {
    max: Number.MAX_SAFE_INTEGER,
    min: Number.MIN_SAFE_INTEGER,
    beyond32: [2 ** 31, 2 ** 32, -(2 ** 31) - 1],
    id: 1234567890123456,
    zero: 0,
  },
  'fractions and extreme numbers': {
    fractions: [0.1, 1 / 3, -1.5, 1e-7],
    extreme: [Number.MAX_VALUE, Number.MIN_VALUE, Number.EPSILON, 1e21, -1e300],
  },
  'text that looks like something else': {
    number: '1',
    truth: 'true',
    nothing: 'null',
    object: '{}',
    date: '2026-01-01T00:00:00.000Z',
  },
  'text beyond ASCII': {
    text: 'Zoë, 東京, \u{1f98a}, e\u0301 and é',
    rtl: '\u202eabc',
    bom: '\ufeffx',
    private: '\ue000',
  },
  'control characters, quotes and line breaks in text': {
    text: '\0\x01\b\t\n\v\f\r\x1b\x7f"\'\\/\u0085\u2028\u2029',
    lines: 'a\nb\r\nc\n\n',
    json: '",\n"injected": true, "x": "',
  },
  'lone surrogates': { high: '\ud800', low: 'a\udc00b', swapped: '\udc00\ud800' },
  'keys named like members of Object.prototype': {
    constructor: 1,
    toString: 'x',
    valueOf: null,
    hasOwnProperty: [],
    isPrototypeOf: {},
    __defineGetter__: true,
    nested: { constructor: { prototype: 1 }, toString: 2, hasOwnProperty: 3 },
  },
  'keys that look like numbers': {
    '0': 'a',
    '10': 'b',
    '9': 'c',
    '-1': 'd',
    '1.5': 'e',
    '007': 'f',
    '1e3': 'g',
  },
  'keys named like the parts of a record or an answer': {
    data: 1,
    userId: 'eve',
    createdAt: 0,
    expiresAt: 0,
    version: 'x',
    status: 'gone',
    set: {},
    length: 3,
  },
  'keys with quotes, line breaks and separators': {
    '': 'empty',
    ' ': 'space',
    'a"b': 1,
    "a'b": 2,
    'a\\b': 3,
    'a\nb': 4,
    'a\r\nb': 5,
    'a\u2028b\u2029': 6,
    'a\0b': 7,
    'a:b': 8,
    'a.b[0]': 9,
    '"': 10,
    '\\': 11,
    '",\n"x": 1': 12,
    '*': 13,
    '{a}': 14,
  },
  'keys beyond ASCII, composed and decomposed, and lone surrogates': {
    é: 1,
    'e\u0301': 2,
    東京: 3,
    '\u{1f98a}': 4,
    '\ud800': 5,
    '\udc00': 6,
  },
  'keys that differ in case or by a space': { key: 1, KEY: 2, Key: 3, 'key ': 4, ' key': 5 },
  'one value many times': { a: shared(), b: shared() },
  'a hundred levels of nesting': { deep: nested(100) },
}

/** Makers of what JSON would drop, bend or not end with; called anew for each write. */
export const badValues: Readonly<Record<string, () => unknown>> = {
  undefined: () => undefined,
  'undefined inside an object': () => ({ a: undefined }),
  'undefined inside an array': () => [undefined],
  NaN: () => Number.NaN,
  Infinity: () => Number.POSITIVE_INFINITY,
  '-Infinity': () => Number.NEGATIVE_INFINITY,
  '-0': () => -0,
  'a BigInt': () => 1n,
  'a Date': () => new Date(0),
  'an invalid Date': () => new Date(Number.NaN),
  'an array with a toJSON method': () => Object.defineProperty([1], 'toJSON', { value: () => 'bent' }),
  'a class that extends Array': () => new (class List extends Array {})(),
  'an object with a hidden key': () => Object.defineProperty({}, 'hidden', { value: 1 }),
  'a Map': () => new Map([['a', 1]]),
  'a Set': () => new Set([1]),
  'a RegExp': () => /a/,
  'a Buffer': () => Buffer.from('a'),
  'an Error': () => new Error('a'),
  'a Promise': () => Promise.resolve(1),
  'a boxed string': () => Object('a'),
  'a class instance': () => new Money(5),
  'a function': () => () => 1,
  'a symbol': () => Symbol('a'),
  'an object with a symbol as a key': () => ({ [Symbol('a')]: 1 }),
  'an object with toJSON': () => ({ a: 1, toJSON: () => 'b' }),
  'an array with holes': () => new Array(3),
  'an array with a hole in it': () => {
    const list: unknown[] = [1, 2, 3]
    delete list[1]
    return list
  },
  'an array with extra keys': () => Object.assign([1], { extra: 2 }),
  'a cycle': () => {
    const cycle: Record<string, unknown> = {}
    cycle.self = { cycle }
    return cycle
  },
  'a cycle through an array': () => {
    const cycle: unknown[] = []
    cycle.push([cycle])
    return cycle
  },
  '10,000 levels of nesting': () => nested(10_000),
}

class Money {
  readonly amount: number
  constructor(amount: number) {
    this.amount = amount
  }
}

function shared(): unknown {
  const value = { id: 1 }
  return [value, value, { value }]
}

function nested(levels: number): unknown {
  let value: unknown = 'bottom'
  for (let level = 0; level < levels; level++) value = level % 2 ? { value } : [value]
  return value
}
