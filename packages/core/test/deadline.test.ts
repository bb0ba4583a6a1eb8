import { describe, expect, test } from 'vitest'
import { withDeadline } from '../src/deadline.ts'
import { SessionError } from '../src/errors.ts'

describe('withDeadline', () => {
  test('passes on what the work resolves to', async () => {
    expect(await withDeadline(Promise.resolve(7), 50)).toBe(7)
  })

  test('turns an error of the store into a 503 that keeps its cause', async () => {
    const cause = new Error('ECONNREFUSED')
    await expect(withDeadline(Promise.reject(cause), 50)).rejects.toMatchObject({
      code: 'ERR_SESSION_STORE_UNAVAILABLE',
      status: 503,
      cause,
    })
  })

  test('leaves a SessionError what it is', async () => {
    const error = new SessionError('ERR_SESSION_CORRUPT', 'damaged')
    await expect(withDeadline(Promise.reject(error), 50)).rejects.toBe(error)
  })

  test('gives up after the timeout, and what comes later harms nobody', async () => {
    let fail = (_: Error): void => undefined
    const work = new Promise((_, reject) => {
      fail = reject
    })
    await expect(withDeadline(work, 10)).rejects.toMatchObject({ code: 'ERR_SESSION_STORE_UNAVAILABLE' })
    fail(new Error('late'))
    await new Promise(setImmediate)
  })
})
