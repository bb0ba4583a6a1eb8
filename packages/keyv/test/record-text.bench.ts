// What reading and merging a record cost: `npx -y pnpm@12.21.0 exec vitest bench --run record`.
import { test } from 'vitest'
import { decodeRecord, encodeChange, encodeRecord, RecordEditor } from '../src/record-text.ts'

const item = (i: number) => ({ sku: `item-${1000 + i}`, quantity: 1 + (i % 3), price: 1999 + i })
const data = { theme: 'dark', views: 1, cart: Array.from({ length: 10 }, (_, i) => item(i)) }
const now = Date.now()
const record = { data, userId: 'ada', createdAt: now, expiresAt: now + 24 * 60 * 60 * 1000 }
const text = encodeRecord(record, 1)
const change = encodeChange({ set: { views: 2 } })

test('a record', async ({ bench }) => {
  await bench.compare(
    bench('encode', () => void encodeRecord(record, 1)),
    bench('decode', () => void decodeRecord(text)),
    bench('merge a change into', () => {
      const editor = new RecordEditor(text, now)
      editor.apply(change)
      return void editor.result
    }),
  )
})
