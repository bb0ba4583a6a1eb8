import { channel } from 'node:diagnostics_channel'
import { expect, onTestFinished, test } from 'vitest'
import { openSessions, type Sessions } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const secret = 'a secret of the tests, long enough for production'

async function open(of: string, keyPrefix = 'session:'): Promise<Sessions> {
  const sessions = await openSessions({ store: memoryStore(), secret: of, keyPrefix, env: {}, logger })
  onTestFinished(() => sessions.close())
  return sessions
}

test('sessions that accept the same cookies have the same fingerprint, and no others', async () => {
  const one = await open(secret)
  expect((await open(secret)).fingerprint).toBe(one.fingerprint)
  expect((await open(`${secret}.`)).fingerprint).not.toBe(one.fingerprint)
  expect((await open(secret, 'other:')).fingerprint).not.toBe(one.fingerprint)
})

test('who runs the application hears of sessions that it opens', async () => {
  const heard: unknown[] = []
  const hear = (message: unknown) => heard.push(message)
  channel('sojourn:opened').subscribe(hear)
  onTestFinished(() => void channel('sojourn:opened').unsubscribe(hear))
  const sessions = await open(secret)
  const weak = await open('dev')
  expect(heard).toEqual([
    { sessions, reason: 'the store option', weakness: null },
    {
      sessions: weak,
      reason: 'the store option',
      weakness: expect.stringMatching(/one that everybody knows/),
    },
  ])
})
