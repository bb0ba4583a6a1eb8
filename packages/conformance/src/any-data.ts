import type { SessionRecord } from '@sojourn/core'
import fc from 'fast-check'
import { badValues } from './examples.ts'

/** Any UTF-16 code units: lone surrogates too. */
const units = fc.string({ unit: fc.nat(0xffff).map(unit => String.fromCharCode(unit)) })

/** No backslashes: of two keys that need an escape V8 takes one for the other, whatever the store does. */
const key = fc
  .oneof(fc.string(), units, fc.constantFrom('__proto__', 'constructor', 'prototype', 'toJSON', '0'))
  .filter(text => !text.includes('\\'))

const leaf = fc.oneof(
  { weight: 30, arbitrary: fc.oneof(fc.string(), units, fc.integer(), fc.boolean(), fc.constant(null)) },
  { weight: 6, arbitrary: fc.double() },
  { weight: 1, arbitrary: fc.constantFrom(-0, Number.NaN) },
  { weight: 1, arbitrary: fc.constantFrom(...Object.values(badValues)).map(make => make()) },
)

const value = fc.anything({ key, values: [leaf], maxDepth: 3 })

/** Whatever a program may try to keep: what JSON can hold, what it bends or drops, and the keys that are traps. */
export const anyData: fc.Arbitrary<SessionRecord['data']> = fc
  .array(fc.tuple(key, value), { minLength: 1, maxLength: 4, size: 'max' })
  .map(pairs => Object.fromEntries(pairs))
