import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Data } from '../src/change.ts'
import { Draft, Reads } from '../src/draft.ts'
import { Snapshot } from '../src/snapshot.ts'

const key = fc.constantFrom('a', 'b', 'c', '1', 'toString')
const value = fc.oneof(
  fc.integer(),
  fc.string(),
  fc.constant(null),
  fc.array(fc.integer()),
  fc.constant({ in: { it: 1 } }),
)
const data = fc.dictionary(key, value, { noNullPrototype: true })

/** What functions do with data; each answers what it saw, as text. */
const steps: Readonly<Record<string, (data: Data, key: string, value: unknown) => unknown>> = {
  read: (data, key) => data[key],
  set: (data, key, value) => (data[key] = structuredClone(value)),
  delete: (data, key) => delete data[key],
  in: (data, key) => key in data,
  hasOwn: (data, key) => Object.hasOwn(data, key),
  keys: data => Object.keys(data).sort(),
  spread: data => Object.entries({ ...data }).sort(),
  json: data => JSON.parse(JSON.stringify(data)),
  assign: (data, key, value) => Object.assign(data, { [key]: structuredClone(value) }) === data,
  define: (data, key, value) => {
    Object.defineProperty(data, key, {
      value: structuredClone(value),
      writable: true,
      enumerable: true,
      configurable: true,
    })
  },
  inside: (data, key) => {
    const inner = Object.hasOwn(data, key) ? data[key] : undefined
    if (Array.isArray(inner)) return inner.push(inner.length)
    if (typeof inner === 'object' && inner !== null) return Object.assign(inner, { more: true })
    return undefined
  },
}
const program = fc.array(fc.tuple(fc.constantFrom(...Object.keys(steps)), key, value), { maxLength: 12 })

/** Texts, in an order that does not depend on the object's. */
function sorted(data: Readonly<Data>): [string, string][] {
  return Object.entries(data)
    .map(([key, value]): [string, string] => [key, JSON.stringify(value)])
    .sort(([a], [b]) => (a < b ? -1 : 1))
}

function seen(data: Data, program: readonly (readonly [string, string, unknown])[]): unknown[] {
  return program.map(([step, key, value]) => {
    const answer = steps[step]?.(data, key, value)
    return typeof answer === 'function' ? 'a function' : JSON.stringify(answer)
  })
}

describe('a draft', () => {
  test('Property: is to a function what a plain object is, and its result is what the plain object would be', () => {
    fc.assert(
      fc.property(data, program, (before, program) => {
        const draft = new Draft(Snapshot.of(before), {}, new Reads())
        const plain: Data = JSON.parse(JSON.stringify(before))
        const order = (answers: unknown[]) =>
          answers.map(answer =>
            typeof answer === 'string' && answer.startsWith('{') ? [...answer].sort().join('') : answer,
          )
        expect(order(seen(draft.data, program))).toEqual(order(seen(plain, program)))
        expect(sorted(draft.result().data())).toEqual(sorted(plain))
      }),
      { numRuns: 2000 },
    )
  })

  test('Property: whose guard holds on other data gives there, for what it touched, what it gave here', () => {
    fc.assert(
      fc.property(data, data, program, (before, other, program) => {
        const reads = new Reads()
        const draft = new Draft(Snapshot.of(before), {}, reads)
        const answers = seen(draft.data, program)
        const result = draft.result()
        const { expectedValues, expectedVersion } = reads.guard(Snapshot.of(before), '1', result)
        fc.pre(expectedVersion === undefined)
        for (const key of Object.keys(expectedValues ?? {})) {
          delete other[key]
          if (Object.hasOwn(before, key)) Object.assign(other, { [key]: before[key] })
        }
        const there = new Draft(Snapshot.of(other), {}, new Reads())
        expect(seen(there.data, program)).toEqual(answers)
        const change = Snapshot.of(before).changeTo(result) ?? {}
        expect(sorted(Snapshot.of(other).with(change).data())).toEqual(sorted(there.result().data()))
      }),
      { numRuns: 2000 },
    )
  })

  test('does not show the messages and the age of the cookie, and leaves them as they are', () => {
    const before = Snapshot.of({ a: 1, flash: { info: ['hello'] }, cookie: { maxAge: 5 } })
    const draft = new Draft(before, {}, new Reads())
    expect(Object.keys(draft.data)).toEqual(['a'])
    expect([draft.data.flash, 'cookie' in draft.data]).toEqual([undefined, false])
    for (const key of [...Object.keys(draft.data), 'flash', 'cookie']) delete draft.data[key]
    expect(draft.result().data()).toEqual({ flash: { info: ['hello'] }, cookie: { maxAge: 5 } })
    for (const key of ['flash', 'cookie'])
      expect(() => Object.assign(draft.data, { [key]: 'x' })).toThrow(TypeError)
  })

  test('refuses what a session can not keep', () => {
    const open = () => new Draft(Snapshot.of({ a: 1 }), {}, new Reads())
    for (const refused of [
      (data: Data) => Reflect.set(data, Symbol('s'), 1),
      (data: Data) => Object.defineProperty(data, 'a', { get: () => 1, configurable: true }),
      (data: Data) => Object.setPrototypeOf(data, {}),
      (data: Data) => Object.freeze(data),
    ])
      expect(() => refused(open().data)).toThrow(TypeError)
    for (const key of ['__proto__', 'regenerate', 'flash']) {
      expect(() => {
        open().data[key] = {}
      }).toThrow(TypeError)
    }
    const draft = open()
    draft.data.when = new Date()
    expect(() => draft.result()).toThrow(expect.objectContaining({ code: 'ERR_SESSION_VALUE' }))
  })

  test('a value that was taken from it and is changed later is in no result', () => {
    const draft = new Draft(Snapshot.of({ list: [1] }), {}, new Reads())
    const list = draft.data.list as number[]
    const result = draft.result()
    list.push(2)
    expect(result.data()).toEqual({ list: [1] })
  })
})
