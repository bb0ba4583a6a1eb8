import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyChange, type Data, guardsHold } from '../src/change.ts'
import { Snapshot } from '../src/snapshot.ts'
import type { SessionChange } from '../src/store.ts'

/** Few keys, so that both sides often have the same ones; some of them are traps. */
const key = fc.constantFrom('a', 'b', 'c', '1', '__proto__', 'constructor', 'toString', '')
const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }).map(normal), fc.constantFrom({}, [], null, '__proto__'))
const data = fc.array(fc.tuple(key, value), { maxLength: 6 }).map(pairs => Object.fromEntries(pairs))

/** As it comes out of JSON: -0 is 0 there. */
function normal(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

function difference(before: Data, after: Data): SessionChange | null {
  return Snapshot.of(before).changeTo(Snapshot.of(after))
}

function apply(before: Data, change: SessionChange | null): Data {
  return change === null ? before : applyChange(before, change)
}

/** Own keys with their JSON text: `__proto__` counts as any other, the order of keys does not. */
function content(data: Data): Map<string, string> {
  const entries = Object.entries(data).map(([key, value]) => [key, JSON.stringify(value)] as const)
  return new Map(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

describe('a change', () => {
  test('Property: what turns one snapshot into another turns the data into the others', () => {
    fc.assert(
      fc.property(data, data, (before, after) => {
        const change = difference(before, after)
        expect(content(apply(before, change))).toEqual(content(after))
        const snapshot = Snapshot.of(before)
        expect(content((change ? snapshot.with(change) : snapshot).data())).toEqual(content(after))
        expect(content(snapshot.data())).toEqual(content(before))
      }),
      { numRuns: 2000 },
    )
  })

  test('Property: is null exactly if nothing differs', () => {
    fc.assert(
      fc.property(data, data, (before, after) => {
        const same = JSON.stringify([...content(before)]) === JSON.stringify([...content(after)])
        expect(difference(before, after) === null).toBe(same)
        expect(Snapshot.of(before).equals(Snapshot.of(after))).toBe(same)
        expect(difference(before, structuredClone(before))).toBeNull()
      }),
    )
  })

  test('Property: changes of different keys commute', () => {
    fc.assert(
      fc.property(data, data, data, (base, left, right) => {
        const mine = difference(base, { ...base, ...left })
        const others = Object.entries(right).filter(([key]) => !Object.hasOwn(left, key))
        const theirs = difference(base, { ...base, ...Object.fromEntries(others) })
        const one = apply(apply(base, mine), theirs)
        const other = apply(apply(base, theirs), mine)
        expect(content(one)).toEqual(content(other))
      }),
    )
  })

  test('Property: leaves its arguments alone, and Object.prototype as well', () => {
    const keys = Reflect.ownKeys(Object.prototype)
    fc.assert(
      fc.property(data, data, (before, after) => {
        const text = JSON.stringify([before, after])
        apply(before, difference(before, after))
        expect(JSON.stringify([before, after])).toBe(text)
      }),
    )
    applyChange({}, { set: JSON.parse('{"__proto__":{"polluted":1}}') })
    expect(Reflect.ownKeys(Object.prototype)).toEqual(keys)
    expect(Object.hasOwn(applyChange({}, { set: JSON.parse('{"__proto__":1}') }), '__proto__')).toBe(true)
  })
})

describe('guards', () => {
  test('expectedVersion holds for that version alone', () => {
    expect(guardsHold({}, '7', { expectedVersion: '7' })).toBe(true)
    expect(guardsHold({}, '8', { expectedVersion: '7' })).toBe(false)
    expect(guardsHold({}, '8', {})).toBe(true)
  })

  test('Property: expectedValues hold exactly if each of these keys stands as it was seen', () => {
    fc.assert(
      fc.property(data, data, data, (seen, mine, stands) => {
        const change = difference(seen, mine)
        fc.pre(change !== null)
        const named = [...Object.keys(change?.set ?? {}), ...(change?.remove ?? [])]
        const as = (data: Data) => named.map(key => content(data).get(key))
        const same = JSON.stringify(as(seen)) === JSON.stringify(as(stands))
        const expectedValues: Data = Object.create(null)
        for (const key of named) expectedValues[key] = Snapshot.of(seen).value(key)
        expect(guardsHold(stands, '1', { expectedValues })).toBe(same)
      }),
      { numRuns: 2000 },
    )
  })
})
