import { appendFileSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import {
  append,
  checkHistory,
  describeViolations,
  type HistoryOptions,
  HistoryRecorder,
  historyData,
  keyOf,
  type Operation,
  readHistory,
  seenIn,
} from '../src/history/index.ts'

/** An operation on session `s` of process `p`, that is done unless it says otherwise. */
function op(kind: Operation['kind'], began: number, ended: number, more: Partial<Operation> = {}): Operation {
  return { process: 'p', session: 's', kind, began, ended, result: 'done', ...more }
}

function look(began: number, ended: number, keys: string[], list: string[], more = {}): Operation {
  return op('load', began, ended, { seen: { owner: 's', keys, list, count: list.length, ...more } })
}

const created = op('create', 0, 1)
/** What fails meanwhile may fail. */
const inTrouble: HistoryOptions = { faults: [{ began: 2, ended: 3 }] }
const set = (mark: string, began: number, ended: number, more = {}) =>
  op('set', began, ended, { mark, ...more })
const add = (mark: string, began: number, ended: number, more = {}) =>
  op('append', began, ended, { mark, ...more })

function found(history: Operation[], options?: HistoryOptions): string[] {
  return checkHistory([created, ...history], options).map(({ invariant }) => invariant)
}

it.each<[string, Operation[]]>([
  ['a set that is seen', [set('a', 2, 3), look(4, 5, ['a'], [])]],
  ['a set that a load beside it does not see', [set('a', 2, 6), look(3, 5, [], []), look(4, 7, ['a'], [])]],
  [
    'appends in any order of those that overlap',
    [add('a', 2, 5), add('b', 2, 4), look(6, 7, [], ['b', 'a'])],
  ],
  ['an end, and those who come too late', [op('destroy', 2, 4), set('a', 3, 5, { result: 'gone' })]],
  ['a set beside the end', [op('destroy', 2, 4), set('a', 3, 5)]],
  ['an end twice', [op('destroy', 2, 4), op('destroy', 5, 6)]],
  [
    'an end that nobody heard of',
    [op('destroy', 2, 3, { result: 'unknown' }), op('load', 4, 5, { result: 'gone' })],
  ],
  [
    'an append that timed out and was carried out later',
    [add('a', 2, 3, { result: 'unknown' }), add('b', 4, 5), look(6, 7, [], ['b', 'a'])],
  ],
])('lets pass %s', (_, history) => {
  expect(found(history, inTrouble)).toEqual([])
})

it.each<[string, string[], Operation[]]>([
  ['a load after the end', ['I1'], [op('destroy', 2, 3), look(4, 5, [], [])]],
  ['a set after the end', ['I1'], [op('destroy', 2, 3), set('a', 4, 5)]],
  [
    'an append after somebody found it gone',
    ['I1'],
    [op('destroy', 2, 9), op('load', 3, 4, { result: 'gone' }), add('a', 5, 6)],
  ],
  ['a session that vanishes', ['I2'], [op('load', 2, 3, { result: 'gone' })]],
  [
    'a session that vanishes before somebody wants to end it',
    ['I2'],
    [set('a', 2, 3), op('destroy', 4, 5, { result: 'gone' }), op('load', 6, 7, { result: 'gone' })],
  ],
  [
    'a session that vanishes after an end that was refused',
    ['I2'],
    [op('destroy', 2, 3, { result: 'refused' }), op('load', 4, 5, { result: 'gone' })],
  ],
  ['a set that is lost', ['I2'], [set('a', 2, 3), look(4, 5, [], [])]],
  [
    'an append that is lost',
    ['I2'],
    [add('a', 2, 3), add('b', 4, 5, { seen: { owner: 's', keys: [], list: ['b'], count: 1 } })],
  ],
  [
    'an append that does not see itself',
    ['I2'],
    [add('a', 2, 3, { seen: { owner: 's', keys: [], list: [], count: 0 } })],
  ],
  ['half an append', ['I2'], [add('a', 2, 3), look(4, 5, [], ['a'], { count: 0 })]],
  [
    'what was seen and is not seen later',
    ['I3'],
    [set('a', 2, 9), look(3, 4, ['a'], []), look(5, 6, [], [])],
  ],
  [
    'two orders',
    ['I3'],
    [add('a', 2, 9), add('b', 2, 9), look(3, 9, [], ['a', 'b']), look(3, 9, [], ['b', 'a'])],
  ],
  [
    'an append before one that was done when it began',
    ['I3'],
    [add('a', 2, 3), add('b', 4, 5), look(6, 7, [], ['b', 'a'])],
  ],
  ['another owner', ['I4'], [look(2, 3, [], [], { owner: 't' })]],
  ["another session's set", ['I4'], [set('a', 2, 3, { session: 't' }), look(4, 5, ['a'], [])]],
  ['what nobody wrote', ['I4'], [look(2, 3, ['a'], [])]],
  [
    'an append that timed out and was applied twice',
    ['I5'],
    [add('a', 2, 3, { result: 'unknown' }), look(4, 5, [], ['a', 'a'])],
  ],
  [
    'a set that was refused and is there',
    ['I5'],
    [set('a', 2, 3, { result: 'refused' }), look(4, 5, ['a'], [])],
  ],
  ['a set that was seen before it began', ['I5'], [look(2, 3, ['a'], []), set('a', 4, 5)]],
])('finds %s', (_, invariants, history) => {
  expect(found(history, inTrouble)).toEqual(invariants)
})

it('finds I6: an answer too late, a failure without a fault, one long after it, and one that never comes', () => {
  const unknown = { result: 'unknown' } as const
  const faults = [{ began: 10, ended: 20 }]
  expect(found([set('a', 2, 303)], { deadline: 200 })).toEqual(['I6'])
  expect(found([set('a', 2, 302)], { deadline: 200 })).toEqual([])
  expect(found([set('a', 2, 3, unknown)], { faults })).toEqual(['I6'])
  expect(found([set('a', 9, 11, unknown)], { faults })).toEqual([])
  expect(found([set('a', 2019, 2030, unknown)], { faults })).toEqual([])
  expect(found([set('a', 2020, 2030, unknown)], { faults })).toEqual(['I6'])
  const { ended: _, ...unanswered } = set('a', 2, 3, unknown)
  expect(found([unanswered])).toEqual(['I6'])
  expect(found([unanswered], { killed: ['p'] })).toEqual([])
})

it('lets a store lose whole sessions if it may, and nothing else', () => {
  const gone = op('load', 2, 3, { result: 'gone' })
  expect(found([gone], { losesSessions: true })).toEqual([])
  expect(found([gone, look(4, 5, [], [])], { losesSessions: true })).toEqual(['I1'])
})

it('says what happened, and shows no more than that', () => {
  const violations = checkHistory([
    created,
    set('b', 1, 2),
    set('a', 2, 3),
    look(4, 5, ['b'], []),
    look(6, 7, ['b'], []),
  ])
  expect(describeViolations(violations)).toBe(
    [
      'I2: what was acknowledged, a, is not there',
      '  0.0 ms to 1.0 ms: p: set s a: done',
      '  2.0 ms to 3.0 ms: p: load s: done, saw owner s, keys [b], list [], count 0',
    ].join('\n'),
  )
})

it('a recorder has a file of its own, so that no operation takes the place of another, and gives no mark twice', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-test-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, 'history')
  const recorder = new HistoryRecorder(path, 'p')
  expect(new Set([recorder.mark(), recorder.mark(), recorder.mark()]).size).toBe(3)
  recorder.close()
  expect(() => new HistoryRecorder(path, 'p')).toThrow(/EEXIST/)
})

it('reads what recorders wrote: answers, errors, and what was under way', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-history-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'p')
  const recorder = new HistoryRecorder(path, 'p')
  const data = historyData('s')
  await recorder.record({ session: 's', kind: 'create' }, async () => ({ result: 'done' }))
  const mark = recorder.mark()
  await recorder.record({ session: 's', kind: 'append', mark }, async () => {
    append(data, mark)
    return { result: 'done', seen: seenIn({ ...data, [keyOf('x')]: 1 }) }
  })
  await recorder.record({ session: 's', kind: 'destroy' }, () => Promise.reject(new Error('down')))
  recorder.record({ session: 's', kind: 'load' }, () => new Promise(() => {})).catch(() => {})
  const history = readHistory([path])
  expect(history).toMatchObject([
    { process: 'p', kind: 'create', result: 'done', ended: expect.any(Number) },
    { kind: 'append', mark: 'p-0', seen: { owner: 's', keys: ['x'], list: ['p-0'], count: 1 } },
    { kind: 'destroy', result: 'unknown', ended: expect.any(Number), error: 'Error: down' },
    { kind: 'load', result: 'unknown' },
  ])
  expect(history[3]).not.toHaveProperty('ended')
  recorder.close()
  appendFileSync(path, '[4,{"process":"p","session":"s","ki')
  expect(readHistory([path])).toEqual(history)
})
