import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { installApplication, loadIn, readmeProgram, removeApplication, start } from './application.ts'
import { packAll, type Tarball } from './tarballs.ts'

const redis = '@sojourn/redis'
const server = 'server.mjs'

let packed: string
let tarballs: Tarball[]

beforeAll(async () => {
  packed = await mkdtemp(join(tmpdir(), 'sojourn-tarballs-'))
  tarballs = await packAll(packed)
}, 120_000)

afterAll(() => rm(packed, { recursive: true, force: true }))

/** Signs in, and asks who that is with the cookie that came. */
async function signIn(url: string): Promise<{ cookie: string; body: unknown }> {
  const response = await fetch(`${url}/login`, { method: 'POST', redirect: 'manual' })
  expect(response.status).toBe(302)
  const cookie = response.headers.getSetCookie()[0] ?? ''
  expect(cookie).toMatch(/^sid=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
  const next = await fetch(url, { headers: { cookie: cookie.split(';')[0] ?? '' } })
  return { cookie, body: await next.json() }
}

describe.each(['npm', 'pnpm'] as const)('packed, and installed by %s', by => {
  let folder: string

  beforeAll(async () => {
    // By npm without Redis, so that a package is missing; by pnpm with everything.
    const chosen = by === 'npm' ? tarballs.filter(({ name }) => name !== redis) : tarballs
    folder = await installApplication(chosen, by)
    await writeFile(join(folder, server), await readmeProgram())
  }, 180_000)

  afterAll(() => removeApplication(folder))

  async function run(
    env: Record<string, string>,
    use: (url: string, output: () => string) => Promise<void>,
  ): Promise<void> {
    const { url, output, stop } = await start(folder, [process.execPath, server], env)
    try {
      await use(url, output)
    } finally {
      await stop()
    }
  }

  it("README's program runs as pasted: signed in, and still so on the next request", () =>
    run({}, async (url, output) => {
      expect(output()).toContain('Session storage initialized: filesystem in ')
      expect((await signIn(url)).body).toEqual({ userId: 'ada', theme: 'dark' })
      expect(await (await fetch(url)).json()).toEqual({})
    }))

  it('a session outlives the program', async () => {
    let cookie = ''
    await run({}, async url => {
      cookie = (await signIn(url)).cookie
    })
    await run({}, async url => {
      const response = await fetch(url, { headers: { cookie: cookie.split(';')[0] ?? '' } })
      expect(await response.json()).toEqual({ userId: 'ada', theme: 'dark' })
    })
  })

  it('SESSION_STORE=cookie finds the cookie store, signed and sealed', async () => {
    for (const [sealed, name] of Object.entries({ 0: 'signed-cookie', 1: 'sealed-cookie' })) {
      await run({ SESSION_STORE: 'cookie', SESSION_COOKIE_SEALED: sealed }, async (url, output) => {
        expect(output()).toContain(`Session storage initialized: ${name} (SESSION_STORE)`)
        expect((await signIn(url)).body).toEqual({ userId: 'ada', theme: 'dark' })
      })
    }
  })

  it('a store whose package is missing fails the start, and names the command that mends it', async () => {
    const store = by === 'npm' ? 'redis' : 'sojourn-store-of-nobody'
    const specifier = by === 'npm' ? redis : store
    const started = start(folder, [process.execPath, server], { SESSION_STORE: store })
    await expect(started).rejects.toThrow(/^exit code 1: /)
    await expect(started).rejects.toThrow(`Run: npm install ${specifier}\n`)
  })

  it('sojourn serve runs the same program in two processes', async () => {
    const program = (await readmeProgram()).replace(/^app\.listen\(.*\)$/m, 'export default app')
    await writeFile(join(folder, 'app.mjs'), program)
    const command = join(folder, 'node_modules', '.bin', 'sojourn')
    const { url, stop } = await start(folder, [command, 'serve', 'app.mjs', '--workers', '2'])
    try {
      expect((await signIn(url)).body).toEqual({ userId: 'ada', theme: 'dark' })
    } finally {
      await stop()
    }
  })

  it.each(['import', 'require'] as const)(
    'every entry of every package can be had by %s, with what it declares and nothing else',
    async how => {
      const installed = by === 'npm' ? tarballs.filter(({ name }) => name !== redis) : tarballs
      for (const entry of installed.flatMap(({ entries }) => entries)) await loadIn(folder, entry, how)
    },
  )
})
