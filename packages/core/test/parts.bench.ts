// What the parts of a request cost that wait for nobody: `npx -y pnpm@12.21.0 exec vitest bench --run parts`.
import { test } from 'vitest'
import { findCookies } from '../src/cookies.ts'
import { newId } from '../src/ids.ts'
import { assertJson } from '../src/json.ts'
import { Signer } from '../src/keys.ts'
import { Snapshot } from '../src/snapshot.ts'

const item = (i: number) => ({ sku: `item-${1000 + i}`, quantity: 1 + (i % 3), price: 1999 + i })
const data = { theme: 'dark', cart: Array.from({ length: 10 }, (_, i) => item(i)) }
const signer = new Signer([new Uint8Array(32)])
const signed = signer.sign(newId())
const header = `_ga=GA1.1.1234567890.1234567890; consent=yes; __Host-sid=${signed}; theme=dark`
const before = Snapshot.of(data)
const after = Snapshot.of({ ...data, theme: 'light' })

test('the parts of a request', async ({ bench }) => {
  await bench.compare(
    bench('find the cookie', () => void findCookies(header, '__Host-sid')),
    bench('verify its signature', () => void signer.verify(signed)),
    bench('sign', () => void signer.sign(signed)),
    bench('look at a cart of ten for what JSON can not hold', () => assertJson(data, 'data')),
    bench('take a snapshot of it', () => void Snapshot.of(data)),
    bench('find that nothing changed', () => void before.equals(before)),
    bench('find what changed', () => void before.changeTo(after)),
  )
})
