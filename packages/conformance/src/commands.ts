import type { SessionChange, SessionRecord } from '@sojourn/core'
import fc from 'fast-check'

type Data = SessionRecord['data']

/** What is done to a store, by one of its handles. `back` counts from the token that was handed out last. */
export type Command = { readonly by: 'store' | 'other' } & (
  | { readonly call: 'create'; readonly data: Data; readonly userId?: string; readonly life: Life }
  | { readonly call: 'load' | 'destroy'; readonly back: number }
  | UpdateCommand
  | { readonly call: 'wait' }
)

export interface UpdateCommand extends KeyChange {
  readonly call: 'update'
  readonly back: number
  readonly life?: Life
  /** By which version the change is guarded: the one that stands, or none that ever stood. */
  readonly version?: 'standing' | 'never'
  /** Keys that are expected to be as they stand. */
  readonly seen?: readonly string[]
  /** Values that are expected whatever stands; `undefined` for a key that is not there. */
  readonly guessed?: Data
}

/** When a session ends. `soon` is when the next `wait` is over, or earlier on a slow machine. */
export type Life = 'hour' | 'soon' | 'past'

export type KeyChange = Pick<SessionChange, 'set' | 'remove'>

/** Few keys, so that commands meet at them. (None has a backslash: V8 mixes those up, whatever the store does.) */
const keys = ['a', 'b', 'c"\n:\ud800', 'constructor']
/** Few values, so that guards hold. No object has two keys: whether their order counts is a store's own affair. */
const values = [
  null,
  false,
  0,
  1,
  1e21,
  '',
  'text',
  '"},\n',
  '\ud83e',
  [],
  {},
  [1, [null]],
  { a: [{ b: [] }] },
]

export function dataOf(names: readonly string[] = keys): fc.Arbitrary<Data> {
  const pair = fc.tuple(fc.constantFrom(...names), fc.constantFrom(...values))
  return fc.array(pair, { maxLength: 4 }).map(pairs => Object.fromEntries(pairs))
}

/** Sets some of these keys and removes others. */
export function changeOf(names: readonly string[] = keys): fc.Arbitrary<KeyChange> {
  return plain({ set: dataOf(names), remove: fc.subarray([...names], { maxLength: 3 }) }, []).map(disjoint)
}

/** Which of the two wins is not said anywhere. */
function disjoint<T extends KeyChange>(change: T): T {
  const { set = {}, remove } = change
  return remove === undefined ? change : { ...change, remove: remove.filter(key => !Object.hasOwn(set, key)) }
}

/** Objects that are easy to read where they are reported: without null prototypes, and with what matters only. */
function plain<T, K extends keyof T>(fields: { [Key in keyof T]: fc.Arbitrary<T[Key]> }, requiredKeys: K[]) {
  return fc.record<T, K>(fields, { requiredKeys, noNullPrototype: true })
}

const by = fc.constantFrom<Command['by'][]>('store', 'other')
const back = fc.constantFrom(0, 0, 0, 0, 1, 1, 2)

const life = fc.oneof(
  { weight: 8, arbitrary: fc.constant<Life>('hour') },
  { weight: 2, arbitrary: fc.constantFrom<Life[]>('soon', 'past') },
)

const create = plain(
  {
    call: fc.constant('create' as const),
    by,
    data: dataOf(),
    userId: fc.constantFrom('ada', 'bob'),
    life,
  },
  ['call', 'by', 'data', 'life'],
)
const update = plain(
  {
    call: fc.constant('update' as const),
    by,
    back,
    set: dataOf(),
    remove: fc.subarray(keys, { maxLength: 3 }),
    life,
    version: fc.constantFrom<('standing' | 'never')[]>(
      'standing',
      'standing',
      'standing',
      'standing',
      'never',
    ),
    seen: fc.subarray(keys, { maxLength: 2 }),
    guessed: fc.constantFrom<Data[]>({}, {}, {}, {}, { a: undefined }, { a: null }, { a: 0, b: undefined }),
  },
  ['call', 'by', 'back'],
).map(disjoint)
const load = plain({ call: fc.constant('load' as const), by, back }, ['call', 'by', 'back'])
const destroy = plain({ call: fc.constant('destroy' as const), by, back }, ['call', 'by', 'back'])
const wait = plain({ call: fc.constant('wait' as const), by }, ['call', 'by'])

/** So many of each that half of the updates find a session. */
export const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof<fc.WeightedArbitrary<Command>[]>(
    { weight: 4, arbitrary: create },
    { weight: 16, arbitrary: update },
    { weight: 2, arbitrary: load },
    { weight: 1, arbitrary: destroy },
    { weight: 1, arbitrary: wait },
  ),
  { maxLength: 30, size: 'max' },
)
