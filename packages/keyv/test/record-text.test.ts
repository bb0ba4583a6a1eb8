import type { SessionChange, SessionRecord } from '@sojourn/core'
import { applyChange, guardsHold } from '@sojourn/core/store-kit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeChange, encodeRecord, RecordEditor } from '../src/record-text.ts'

const now = 1_000

/** What JSON can hold, with the keys and texts that are hard for a format of lines. */
const key = fc
  .oneof(
    fc.constantFrom(
      'a',
      'b',
      'constructor',
      'toString',
      '1',
      '"',
      '\\',
      '\\"',
      '\n',
      ':',
      '},',
      '"a":',
      '\u2028',
      '',
    ),
    fc.string(),
  )
  .filter(text => text !== '__proto__' && !text.includes('\\'))
// Without __proto__, which is refused before a text is made of it, and without backslashes: docs/decisions/0006.
const json = fc
  .jsonValue()
  .filter(value => !/__proto__|\\\\/.test(JSON.stringify(value)))
  .map(value => JSON.parse(JSON.stringify(value)))
const data = fc.dictionary(key, json, { maxKeys: 6, noNullPrototype: true })
const record: fc.Arbitrary<SessionRecord> = fc.record({
  data,
  createdAt: fc.nat(),
  expiresAt: fc.integer({ min: now + 1, max: now * 1000 }),
})
const change: fc.Arbitrary<SessionChange> = fc.record(
  { set: data, remove: fc.array(key, { maxLength: 3 }), expectedValues: data },
  { requiredKeys: [] },
)
const keyChange = fc.record({ set: data, remove: fc.array(key, { maxLength: 3 }) })

function applyToText(before: SessionRecord, changes: readonly SessionChange[]) {
  const editor = new RecordEditor(encodeRecord(before, 1), now)
  const results = changes.map(each => editor.apply(encodeChange(each)))
  return { results, text: editor.result?.value }
}

describe('the text of a record', () => {
  it('Property: is valid JSON, one line per key, and holds the record exactly', () => {
    fc.assert(
      fc.property(record, before => {
        const text = encodeRecord({ ...before, userId: 'ada' }, 7)
        expect(text.split('\n')).toHaveLength(2 + Math.max(1, Object.keys(before.data).length))
        expect(JSON.parse(text).data).toEqual(before.data)
        expect(decodeRecord(text)).toEqual({ record: { ...before, userId: 'ada' }, version: '7' })
      }),
    )
  })

  it('Property: is merged by lines to what a merge of the values gives', () => {
    fc.assert(
      fc.property(record, fc.array(change, { maxLength: 4 }), (before, changes) => {
        let expected = before.data
        let version = 1
        const { results, text } = applyToText(before, changes)
        for (const [index, each] of changes.entries()) {
          const holds = guardsHold(expected, String(version), each)
          expect(results[index]?.status).toBe(holds ? 'written' : 'conflict')
          if (!holds) continue
          expected = applyChange(expected, each)
          version++
        }
        expect(decodeRecord(text ?? '')).toEqual({
          record: { ...before, data: expected },
          version: String(version),
        })
      }),
    )
  })

  it('keeps what a merge does not touch byte by byte, even numbers that JavaScript would round', () => {
    const text = '{"v":1,"created":0,"expires":9000,"data":{\n"big":12345678901234567890,\n"e":[]\n}}'
    const editor = new RecordEditor(text, now)
    editor.apply(encodeChange({ set: { a: 1 } }))
    expect(editor.result?.value).toBe(
      '{"v":2,"created":0,"expires":9000,"data":{\n"big":12345678901234567890,\n"e":[],\n"a":1\n}}',
    )
  })

  it('Property: changes of different keys commute', () => {
    fc.assert(
      fc.property(record, keyChange, keyChange, (before, mine, theirs) => {
        const taken = new Set([...Object.keys(mine.set), ...mine.remove])
        const others = {
          set: Object.fromEntries(Object.entries(theirs.set).filter(([key]) => !taken.has(key))),
          remove: theirs.remove.filter(key => !taken.has(key)),
        }
        const [one, other] = [applyToText(before, [mine, others]), applyToText(before, [others, mine])]
        expect(decodeRecord(one.text ?? '')).toEqual(decodeRecord(other.text ?? ''))
      }),
    )
  })

  it('Property: gone is absorbing: nothing applies after a change whose expiry has passed', () => {
    fc.assert(
      fc.property(record, fc.array(change), (before, changes) => {
        const prolonging = changes.map(each => ({ ...each, expiresAt: now * 1000 }))
        const { results, text } = applyToText(before, [{ expiresAt: now }, ...prolonging])
        expect(results.map(({ status }) => status)).toEqual(['written', ...changes.map(() => 'gone')])
        expect(text).toBeUndefined()
      }),
    )
  })

  it('is reported as corrupt, wherever it was cut, and never read as something else', () => {
    const text = encodeRecord({ data: { a: 'x', b: [1, { c: 2 }] }, createdAt: 0, expiresAt: 2000 }, 1)
    for (let length = 0; length < text.length; length++) {
      expect(() => decodeRecord(text.slice(0, length)), `cut to ${length}`).toThrow(
        expect.objectContaining({ code: 'ERR_SESSION_CORRUPT' }),
      )
      expect(() => new RecordEditor(text.slice(0, length), now), `cut to ${length}`).toThrow(
        expect.objectContaining({ code: 'ERR_SESSION_CORRUPT' }),
      )
    }
  })

  it('refuses what JSON cannot hold, naming the key path', () => {
    expect(() => encodeChange({ set: { cart: [{ price: Number.NaN }] } })).toThrow(
      expect.objectContaining({
        code: 'ERR_SESSION_VALUE',
        message: expect.stringContaining('cart[0].price'),
      }),
    )
  })
})
