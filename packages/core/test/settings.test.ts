import { describe, expect, test } from 'vitest'
import { resolveSettings, type SessionOptions } from '../src/settings.ts'

describe('resolveSettings', () => {
  test('the defaults of README', () => {
    expect(resolveSettings({}, {})).toEqual({
      production: false,
      persistent: false,
      idleTimeout: 24 * 3_600_000,
      absoluteTimeout: 30 * 24 * 3_600_000,
      touchInterval: 60_000,
      storeTimeout: 2000,
      keyPrefix: 'session:',
      cookie: { name: 'sid', secure: false, attributes: '; Path=/; HttpOnly; SameSite=Lax' },
      conflict: 'last-wins',
      onStoreFailure: 'error',
      maxPerUser: 0,
      onMaxPerUser: 'end-oldest',
      threshold: 1000,
      directory: undefined,
    })
  })

  test('NODE_ENV=production is what makes the cookie Secure', () => {
    expect(resolveSettings({}, { NODE_ENV: 'production' }).cookie).toMatchObject({
      name: '__Host-sid',
      secure: true,
    })
  })

  test('an option wins over its environment variable', () => {
    const env = { SESSION_FILE_THRESHOLD: '5', SESSION_DIR: '/env' }
    expect(resolveSettings({}, env)).toMatchObject({ threshold: 5, directory: '/env' })
    expect(resolveSettings({ threshold: 7, directory: '/own' }, env)).toMatchObject({
      threshold: 7,
      directory: '/own',
    })
    expect(resolveSettings({}, { SESSION_FILE_THRESHOLD: '', SESSION_DIR: '' })).toMatchObject({
      threshold: 1000,
      directory: undefined,
    })
  })

  test('0 is a touchInterval and a threshold', () => {
    expect(resolveSettings({ touchInterval: 0, threshold: 0 }, {})).toMatchObject({
      touchInterval: 0,
      threshold: 0,
    })
  })

  test.each<[SessionOptions, string]>([
    [{ idleTimeout: 0 }, 'idleTimeout'],
    [{ idleTimeout: Number.NaN }, 'idleTimeout'],
    [{ absoluteTimeout: -1 }, 'absoluteTimeout'],
    [{ absoluteTimeout: Number.POSITIVE_INFINITY }, 'absoluteTimeout'],
    [{ touchInterval: -1 }, 'touchInterval'],
    [{ storeTimeout: 0 }, 'storeTimeout'],
    [{ storeTimeout: 2 ** 31 }, 'storeTimeout'],
    [{ threshold: 1.5 }, 'threshold'],
    [{ threshold: -1 }, 'threshold'],
    [{ keyPrefix: 'p'.repeat(256) }, 'keyPrefix'],
    [{ conflict: 'ignore' as 'reject' }, 'conflict'],
    [{ cookie: { sameSite: 'None' } }, 'cookie.sameSite'],
    // What other libraries take.
    [{ cookie: { sameSite: true as unknown as 'Lax' } }, 'cookie.sameSite'],
    [{ cookie: { secure: 'auto' as unknown as boolean } }, 'cookie.secure'],
    [{ cookie: { httpOnly: 'no' as unknown as boolean } }, 'cookie.httpOnly'],
  ])('%j is refused, naming %s', (options, name) => {
    expect(() => resolveSettings(options, {})).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_SETTING', message: expect.stringContaining(` ${name} `) }),
    )
  })

  test.each(['many', ' '])('an environment variable that is no number is refused: "%s"', text => {
    expect(() => resolveSettings({}, { SESSION_FILE_THRESHOLD: text })).toThrow(
      expect.objectContaining({ code: 'ERR_SESSION_SETTING' }),
    )
  })

  test('settings can not be changed afterwards', () => {
    const settings = resolveSettings({}, {})
    expect(Reflect.set(settings, 'idleTimeout', 1)).toBe(false)
    expect(Reflect.set(settings.cookie, 'secure', true)).toBe(false)
  })
})
