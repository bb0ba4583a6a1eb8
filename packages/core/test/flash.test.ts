import { describe, expect, test } from 'vitest'
import { createFlash, keptMessages, putMessages } from '../src/flash.ts'

const open = () => undefined
const late = () => {
  throw new RangeError('too late')
}

describe('flash', () => {
  test('keeps messages in order, hands each out once', () => {
    const flash = createFlash(undefined, open)
    expect([flash('info', 'a'), flash('info', 'b'), flash('error', 'c')]).toEqual([1, 2, 1])
    expect(flash('info')).toEqual(['a', 'b'])
    expect(flash('info')).toEqual([])
    expect({ ...flash() }).toEqual({ error: ['c'] })
    expect({ ...flash() }).toEqual({})
    expect(keptMessages(flash)).toBeUndefined()
  })

  test('begins with the messages that were kept', () => {
    const flash = createFlash({ info: ['a'] }, open)
    flash('info', 'b')
    expect(keptMessages(flash)).toEqual({ info: ['a', 'b'] })
  })

  test('is a dictionary to connect-flash: read, add, delete, replace', () => {
    const flash = createFlash({ info: ['a'] }, open)
    const messages = flash as unknown as Record<string, string[]>
    messages.error = ['b']
    expect(Object.keys(messages)).toEqual(['info', 'error'])
    delete messages.info
    expect(flash('error')).toEqual(['b'])
    putMessages(flash, { warn: ['c'] })
    expect(keptMessages(flash)).toEqual({ warn: ['c'] })
  })

  test.each(['name', 'length', 'prototype', 'constructor', 'call', '__proto__'])(
    '%s is a key like any other',
    key => {
      const flash = createFlash(undefined, open)
      expect(Reflect.get(flash, key)).toBeUndefined()
      expect(flash(key)).toEqual([])
      flash(key, 'a')
      expect(flash(key)).toEqual(['a'])
      expect(flash(key)).toEqual([])
    },
  )

  test('when it is too late, adding and taking throw; asking for what is not there does not', () => {
    const flash = createFlash({ info: ['a'] }, late)
    expect(() => flash('info', 'b')).toThrow(RangeError)
    expect(() => flash('info')).toThrow(RangeError)
    expect(() => flash()).toThrow(RangeError)
    expect(flash('error')).toEqual([])
    expect(keptMessages(flash)).toEqual({ info: ['a'] })
  })
})
