import fc from 'fast-check'

/** Any UTF-16 code units: lone surrogates too. No backslashes in keys: docs/decisions/0006. */
const units = fc.string({ unit: fc.nat(0xffff).map(unit => String.fromCharCode(unit)) })

/** Keys of all kinds; some of them are traps. */
export const anyKey: fc.Arbitrary<string> = fc
  .oneof(
    fc.string(),
    units,
    fc.constantFrom(
      '__proto__',
      'toJSON',
      'constructor',
      'prototype',
      'hasOwnProperty',
      'then',
      'length',
      '0',
    ),
  )
  .filter(text => !text.includes('\\'))

/** Anything that a program might put into a session. */
export const anything: fc.Arbitrary<unknown> = fc.oneof(
  {
    weight: 30,
    arbitrary: fc.anything({
      withBigInt: true,
      withBoxedValues: true,
      withDate: true,
      withMap: true,
      withNullPrototype: true,
      withSet: true,
      withSparseArray: true,
      withTypedArray: true,
      key: anyKey,
    }),
  },
  {
    weight: 20,
    arbitrary: fc.anything({ key: anyKey, values: [fc.string(), units, fc.double(), fc.boolean()] }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      -0,
      Number.NaN,
      1n,
      { toJSON: () => 1 },
      new Date(Number.NaN),
      Object.freeze([1]),
    ),
  },
  { weight: 1, arbitrary: fc.constantFrom(100, 450, 10_000).map(nested) },
)

/** JSON forgets a null prototype, which nobody misses. */
export function plain(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(plain)
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}

export function nested(levels: number): unknown {
  let value: unknown = 'core'
  for (let level = 0; level < levels; level++) value = level % 2 ? [value] : { in: value }
  return value
}
