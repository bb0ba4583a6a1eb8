import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, realpath, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, onTestFinished, test } from 'vitest'
import { projectFolder } from '../src/private-folder.ts'
import { resolveSecrets } from '../src/secrets.ts'

const production = { NODE_ENV: 'production' }
const strong = 'a secret of the tests that is long enough for production'

function resolve(options: Parameters<typeof resolveSecrets>[0], env: Record<string, string>) {
  const log: string[] = []
  const note = (message: string) => log.push(message)
  return { secrets: resolveSecrets(options, env, { info: note, warn: note, error: note }), log }
}

describe('secrets in production', () => {
  test.each([
    ['none', {}],
    ['an empty one', { SECRET_KEY: '' }],
    ...['dev', 'development', 'test', 'secret', 'changeme', 'Keyboard Cat'].map(
      known => [known, { SECRET_KEY: known }] as const,
    ),
    ['31 bytes', { SECRET_KEY: 'x'.repeat(31) }],
    ['a short former one', { SECRET_KEY: strong, SECRET_KEY_FALLBACKS: 'short-canary' }],
  ] as const)('%s fails the start, says how to make one, and never shows the secret', async (_, env) => {
    const { secrets } = resolve({}, { ...production, ...env })
    const error = await secrets.catch((error: unknown) => error)
    expect(error).toMatchObject({ code: 'ERR_SESSION_SECRET' })
    expect(String(error)).toContain("node -e \"console.log(require('node:crypto').randomBytes(32)")
    for (const secret of Object.values<string>(env)) {
      if (secret.length > 12) expect(String(error)).not.toContain(secret)
    }
  })

  test.each(['dev', 'Keyboard Cat'])('%s is called what it is', async SECRET_KEY => {
    const { secrets } = resolve({}, { ...production, SECRET_KEY })
    await expect(secrets).rejects.toThrow('one that everybody knows')
  })

  test('32 bytes will do, counted as bytes', async () => {
    for (const SECRET_KEY of ['x'.repeat(32), 'ü'.repeat(16)]) {
      expect(await resolve({}, { ...production, SECRET_KEY }).secrets).toEqual([SECRET_KEY])
    }
  })

  test('the command in the message makes a secret that is accepted', async () => {
    const error = await resolve({}, production).secrets.catch(String)
    const [, script = ''] = /node -e "(.+?)" and/.exec(String(error)) ?? []
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script])
    expect(await resolve({}, { ...production, SECRET_KEY: stdout.trim() }).secrets).toHaveLength(1)
  })
})

describe('secrets', () => {
  test('the option wins, then SECRET_KEY and its fallbacks in their order', async () => {
    const env = { SECRET_KEY: strong, SECRET_KEY_FALLBACKS: ` ${strong}1 ,,${strong}2` }
    expect(await resolve({}, env).secrets).toEqual([strong, `${strong}1`, `${strong}2`])
    expect(await resolve({ secret: 'mine' }, env).secrets).toEqual(['mine'])
    expect(await resolve({ secret: ['mine', 'old'] }, env).secrets).toEqual(['mine', 'old'])
  })

  test('a weak one outside production warns, without showing it', async () => {
    const { secrets, log } = resolve({ secret: 'short-canary' }, {})
    expect(await secrets).toEqual(['short-canary'])
    expect(log).toEqual([expect.stringContaining('Production will refuse it')])
    expect(log.join()).not.toContain('canary')
  })

  test('what is no string is refused', async () => {
    for (const secret of [[strong, 42], Buffer.from(strong), 42]) {
      const { secrets } = resolve({ secret: secret as unknown as string }, {})
      await expect(secrets).rejects.toMatchObject({ code: 'ERR_SESSION_SECRET' })
    }
  })

  test('a missing one is made once: 8 processes that ask 4 times at once get the same, which only this user can read', async () => {
    const project = await mkdtemp(join(await realpath(tmpdir()), 'sojourn-secret-'))
    await writeFile(join(project, 'package.json'), '{}')
    const folder = await projectFolder(project)
    onTestFinished(async () => {
      await rm(project, { recursive: true })
      await rm(folder, { recursive: true, force: true })
    })
    // All at the same moment, however long each took to start.
    const start = String(Date.now() + 2000)
    const run = () =>
      promisify(execFile)(process.execPath, [join(import.meta.dirname, 'fixtures/print-secret.ts'), start], {
        cwd: project,
      })
    const outputs = await Promise.all(Array.from({ length: 8 }, run))
    const answers = outputs.map(({ stdout }) => JSON.parse(stdout) as { secrets: string[]; log: string })
    const secret = answers[0]?.secrets[0] ?? ''
    expect(Buffer.from(secret, 'base64url')).toHaveLength(32)
    for (const { secrets, log } of answers) {
      expect(secrets).toEqual([secret, secret, secret, secret])
      expect(log).not.toContain(secret)
    }
    expect(await readdir(folder)).toEqual(['secret'])
    expect((await stat(join(folder, 'secret'))).mode & 0o777).toBe(0o600)
    expect((await stat(folder)).mode & 0o777).toBe(0o700)
  })

  test('a kept one that was spoilt is refused, not used', async () => {
    const project = await mkdtemp(join(await realpath(tmpdir()), 'sojourn-secret-'))
    await writeFile(join(project, 'package.json'), '{}')
    const folder = projectFolder(project)
    onTestFinished(async () => {
      await rm(project, { recursive: true })
      await rm(folder, { recursive: true, force: true })
    })
    await mkdir(folder, { mode: 0o700 })
    await writeFile(join(folder, 'secret'), 'short')
    const script = join(import.meta.dirname, 'fixtures/print-secret.ts')
    const answer = promisify(execFile)(process.execPath, [script, '0'], { cwd: project })
    await expect(answer).rejects.toThrow(/should hold a secret and does not. Remove it/)
  })
})
