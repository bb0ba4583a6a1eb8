import { describe, expect, test } from 'vitest'
import { isId, newId } from '../src/ids.ts'
import { Keyring, Signer, signatureLength } from '../src/keys.ts'

const secret = 'a secret of the tests, long enough for production'
const signerFor = (purpose: string, secrets = [secret]) =>
  new Signer(new Keyring(secrets).derive(purpose, 'session:', 'sid'))

describe('signatures', () => {
  test('R20: what is signed verifies, and with any bit flipped it does not', () => {
    const signer = signerFor('token:memory:session::sid')
    const bytes = Buffer.from(signer.sign(newId()), 'latin1')
    expect(signer.verify(bytes.toString('latin1'))).not.toBeNull()
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = Buffer.from(bytes)
      flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3)
      expect(signer.verify(flipped.toString('latin1')), `bit ${bit}`).toBeNull()
    }
  })

  test('R20: nor does it cut, extended or without a signature', () => {
    const signer = signerFor('p')
    const value = signer.sign('token')
    for (let length = 0; length < value.length; length++)
      expect(signer.verify(value.slice(0, length))).toBeNull()
    for (const more of ['=', '.', 'A', '\0', ' ']) expect(signer.verify(value + more)).toBeNull()
  })

  test('R16: any token is signed as it is', () => {
    const signer = signerFor('p')
    for (const token of ['', '.', 'a.b.c', '../..', '\0', 'ü', '\r\n', 'x'.repeat(16_384)]) {
      expect(signer.verify(signer.sign(token))).toEqual({ token, rotated: false })
    }
  })

  test('R22: a value is bound to its purpose: store, namespace and cookie name', () => {
    const value = signerFor('token:memory:session::sid').sign('token')
    for (const purpose of [
      'token:redis:session::sid',
      'token:memory:other::sid',
      'token:memory:session::app',
      '',
    ]) {
      expect(signerFor(purpose).verify(value)).toBeNull()
    }
  })

  test('rotation: the first secret signs, all verify, a removed one no longer does', () => {
    const old = signerFor('p', ['old secret'])
    const both = signerFor('p', ['new secret', 'old secret'])
    const fresh = signerFor('p', ['new secret'])
    expect(both.verify(old.sign('t'))).toEqual({ token: 't', rotated: true })
    expect(both.verify(fresh.sign('t'))).toEqual({ token: 't', rotated: false })
    expect(fresh.verify(both.sign('t'))).toEqual({ token: 't', rotated: false })
    expect(fresh.verify(old.sign('t'))).toBeNull()
  })

  test('signatureLength is how much longer a signed value is', () => {
    expect(signerFor('p').sign('token').length).toBe('token'.length + signatureLength)
  })

  test('R22: keys are 32 bytes, and differ by purpose, prefix, cookie name and secret', () => {
    const all = [
      ...new Keyring([secret, 'other']).derive('p', 'session:', 'sid'),
      ...new Keyring([secret]).derive('q', 'session:', 'sid'),
      ...new Keyring([secret]).derive('p', 'other:', 'sid'),
      ...new Keyring([secret]).derive('p', 'session:', '__Host-sid'),
    ].map(key => Buffer.from(key).toString('hex'))
    expect(new Set(all).size).toBe(5)
    for (const hex of all) expect(hex).toHaveLength(64)
  })
})

describe('ids', () => {
  test('R2: 20,000 ids: no duplicate, 43 characters of base64url, every bit set about half the time', () => {
    const count = 20_000
    const ids = Array.from({ length: count }, newId)
    expect(new Set(ids).size).toBe(count)
    const ones = new Array<number>(256).fill(0)
    for (const id of ids) {
      expect(isId(id)).toBe(true)
      for (const [at, byte] of Buffer.from(id, 'base64url').entries()) {
        for (let bit = 0; bit < 8; bit++) ones[at * 8 + bit] = (ones[at * 8 + bit] ?? 0) + ((byte >> bit) & 1)
      }
    }
    // Seven standard deviations: about one false alarm in 10^9 runs.
    for (const set of ones) expect(Math.abs(set - count / 2)).toBeLessThan(3.5 * Math.sqrt(count))
  })

  test('isId refuses what newId does not make', () => {
    const id = newId()
    for (const token of [
      '',
      id.slice(1),
      `${id}A`,
      `${id}\n`,
      id.replace(/./, '.'),
      id.replace(/./, '/'),
      `../${id.slice(3)}`,
    ]) {
      expect(isId(token)).toBe(false)
    }
  })
})
