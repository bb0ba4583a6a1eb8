import type { SessionChange } from '@sojourn/core'
import { encodeChange, encodeRecord, RecordEditor } from '@sojourn/keyv'
import { RedisServer } from '@sojourn/redis-servers'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Link } from '../src/link.ts'
import { RedisAdapter } from '../src/redis-adapter.ts'
import { serversOf } from '../src/servers.ts'

const key = fc
  .oneof(fc.constantFrom('a', 'b', '1', '"', '\n', ':', '},', '\u2028', '', '{"v":9'), fc.string())
  .filter(text => text !== '__proto__' && !text.includes('\\'))
// Without __proto__, which is refused before a text is made of it, and without backslashes: docs/decisions/0006.
const json = fc
  .jsonValue()
  .filter(value => !/__proto__|\\\\/.test(JSON.stringify(value)))
  .map(value => JSON.parse(JSON.stringify(value)))
const data = fc.dictionary(key, json, { maxKeys: 5, noNullPrototype: true })
const change: fc.Arbitrary<SessionChange> = fc.record(
  {
    set: data,
    remove: fc.array(key, { maxLength: 3 }),
    expectedValues: data,
    expectedVersion: fc.constantFrom('1', '2'),
  },
  { requiredKeys: [] },
)

describe('the merge in Redis', () => {
  let adapter: RedisAdapter
  let server: RedisServer
  beforeAll(async () => {
    server = await RedisServer.start('--slowlog-log-slower-than', '200000')
    adapter = new RedisAdapter(new Link(serversOf(server.url, { timeout: 2000 }), 2000))
  })
  afterAll(async () => {
    await adapter.disconnect()
    await server.stop()
  })

  it('Property: gives, byte by byte, what the merge in JavaScript gives', async () => {
    let run = 0
    await fc.assert(
      fc.asyncProperty(data, fc.array(change, { minLength: 1, maxLength: 3 }), async (before, changes) => {
        const now = Date.now()
        const text = encodeRecord(
          { data: before, createdAt: now, expiresAt: now + 60_000, userId: 'a"\n' },
          1,
        )
        const name = `merge-${run++}`
        await adapter.createIfAbsent(name, text, now + 60_000)
        const editor = new RecordEditor(text, now)
        for (const each of changes) {
          const own = { ...encodeChange(each), expiresAt: now + 120_000 }
          expect(await adapter.applyChange(name, own)).toEqual(editor.apply(own))
        }
        expect(await adapter.get(name)).toBe(editor.result?.value)
      }),
      { numRuns: 300 },
    )
  })

  it('gives the same for a change of many keys', async () => {
    const odd = ['"'.repeat(20_000), '', '"', '"":', '\n', ':', '},', '{"v":9', '\u2028', 'a', 'a"', 'é']
    const keys = [...odd, ...Array.from({ length: 2000 }, (_, n) => `key ${n}`)]
    const dataOf = (each: readonly string[], value: unknown) =>
      Object.fromEntries(each.map(name => [name, value]))
    const now = Date.now()
    const text = encodeRecord({ data: dataOf(keys, { a: [] }), createdAt: now, expiresAt: now + 60_000 }, 1)
    await adapter.createIfAbsent('many', text, now + 60_000)
    const editor = new RecordEditor(text, now)
    const changes: SessionChange[] = [
      { set: dataOf(keys, 'x'.repeat(200)), expectedValues: dataOf(keys, { a: [] }) },
      { set: dataOf(odd, 2), remove: keys.filter((_, n) => n % 2 === 0) },
      { remove: keys, expectedValues: { '"': 2 } },
      { remove: keys, expectedValues: { '"': 2, new: undefined, a: 2 } },
      { set: dataOf([...keys].reverse(), 'x'.repeat(200)) },
      { set: dataOf(keys, 'y'.repeat(200)) },
      { set: { a: 1, new: 2 }, remove: ['key 5'] },
    ]
    for (const each of changes) {
      const own = encodeChange(each)
      expect(await adapter.applyChange('many', own)).toEqual(editor.apply(own))
      expect(await adapter.get('many')).toBe(editor.result?.value)
    }
    const slowest = await server.command('SLOWLOG', 'GET', '100')
    // Ten times what it takes here, a hundredth of what one search per key took.
    expect(slowest.split('\n').filter(line => line === 'EVALSHA' || line === 'EVAL')).toEqual([])
  })

  it('refuses a value that is no session, and leaves it', async () => {
    await adapter.set('odd', 'something else')
    await expect(adapter.applyChange('odd', encodeChange({ set: { a: 1 } }))).rejects.toMatchObject({
      code: 'ERR_SESSION_CORRUPT',
    })
    expect(await adapter.get('odd')).toBe('something else')
  })
})
