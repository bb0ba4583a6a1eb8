import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openSessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { expect, onTestFinished, test } from 'vitest'
import { sojourn } from './command.ts'

const logger = { info: () => undefined, warn: () => undefined, error: () => undefined }
const oldKey = 'the-key-until-now-of-more-than-32-bytes'

/** As an environment file has it. */
function variablesIn(text: string): NodeJS.ProcessEnv {
  const lines = text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
  return Object.fromEntries(lines.map(line => line.split(/=(.*)/).slice(0, 2)))
}

test('a new key each time, alone on its line, strong enough for production', async () => {
  const [one, other] = [sojourn(['secret']), sojourn(['secret'])]
  expect(one).toMatchObject({ code: 0, stdout: expect.stringMatching(/^[\w-]{43}\n$/), stderr: '' })
  expect(other.stdout).not.toBe(one.stdout)
  const env = { NODE_ENV: 'production', SECRET_KEY: one.stdout.trim() }
  await (await openSessions({ store: memoryStore(), env, logger })).close()
})

test('a rotation signs nobody out: what the old key signed is still found', async () => {
  const store = memoryStore()
  const before = await openSessions({ store, secret: oldKey, logger })
  const visit = before.begin(undefined)
  await visit.load()
  await visit.session.regenerate({ userId: 'ada' })
  await visit.commit()
  const cookie = visit.setCookie?.split(';')[0]
  expect(cookie).toMatch(/^sid=/)
  const env = variablesIn(sojourn(['secret', '--rotate'], { SECRET_KEY: oldKey }).stdout)
  const after = (await openSessions({ store, env, logger })).begin(cookie)
  await after.load()
  expect(after.session.userId).toBe('ada')
})

test('a rotation keeps former keys, and leaves out what production would refuse', () => {
  const env = { SECRET_KEY: 'dev', SECRET_KEY_FALLBACKS: `${oldKey},short` }
  const { stdout } = sojourn(['secret', '--rotate'], env)
  expect(variablesIn(stdout).SECRET_KEY_FALLBACKS).toBe(oldKey)
  expect(stdout).toMatch(/too weak to be accepted any longer/)
})

test.each(['# and spaces', 'a "quote"', '$HOME `date` \\n'])(
  'a rotation keeps a key with %s as a shell and Node read it',
  strange => {
    const key = `${oldKey} ${strange}`
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-secret-'))
    onTestFinished(() => rmSync(folder, { recursive: true }))
    const file = join(folder, '.env')
    writeFileSync(file, sojourn(['secret', '--rotate'], { SECRET_KEY: key }).stdout)
    const look = 'process.stdout.write(process.env.SECRET_KEY_FALLBACKS)'
    const env = { PATH: process.env.PATH }
    const node = [process.execPath, `--env-file=${file}`, '-e', look]
    const shell = ['sh', '-c', `set -a; . '${file}'; printf %s "$SECRET_KEY_FALLBACKS"`]
    for (const [program = '', ...args] of [node, shell])
      expect(execFileSync(program, args, { encoding: 'utf8', env })).toBe(key)
  },
)

test('a rotation says of a key with a comma that it can only be kept in code', () => {
  const { stdout } = sojourn(['secret', '--rotate'], { SECRET_KEY: `${oldKey},with-a-comma` })
  expect(stdout).toMatch(/comma or a quote in it, so it is left out: name it in code/)
  expect(variablesIn(stdout).SECRET_KEY_FALLBACKS).toBe('')
})

test('without a key until now, a rotation says where to put it', () => {
  expect(sojourn(['secret', '--rotate']).stdout).toMatch(
    /^SECRET_KEY=[\w-]{43}\nSECRET_KEY_FALLBACKS='<the SECRET_KEY until now>'\n$/m,
  )
})

test.skipIf(!existsSync('/dev/full'))('a key that could not be written is no success', () => {
  const command = join(import.meta.dirname, '../src/sojourn.ts')
  const script = '"$@" > /dev/full'
  const node = [process.execPath, '--conditions=@sojourn/source', command, 'secret']
  expect(spawnSync('sh', ['-c', script, 'sh', ...node]).status).not.toBe(0)
})
