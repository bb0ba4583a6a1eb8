import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fetchText, fixture, Serving, serve } from './serving.ts'

async function answer(address: string): Promise<{ pid: number; by: string }> {
  return JSON.parse(await fetchText(`${address}/`))
}

describe('what is served', () => {
  test.each([
    ['express-app.cjs', 'express'],
    ['koa-app.mjs', 'koa'],
    ['listener.ts', 'listener'],
    ['compiled-app.cjs', 'compiled'],
  ])('%s', async (file, by) => {
    const serving = serve(fixture(file), '--workers', '1')
    expect(await answer(await serving.address())).toMatchObject({ by })
  })

  test.each(['cluster', 'threads'])('under %s the application is not the main module', async server => {
    const serving = serve(fixture('main-module.mjs'), '--server', server)
    expect(JSON.parse(await fetchText(await serving.address()))).toEqual({ isMain: false, rest: [] })
  })

  test.each(['cluster', 'threads'])(
    'under %s a store package is looked for beside the application',
    async server => {
      const folder = mkdtempSync(join(tmpdir(), 'sojourn-beside-'))
      onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
      const store = join(folder, 'node_modules', 'own-store')
      mkdirSync(store, { recursive: true })
      writeFileSync(join(store, 'package.json'), '{"type":"module","exports":"./index.js"}')
      writeFileSync(
        join(store, 'index.js'),
        "export const openStore = () => { throw new Error('the own store is here') }",
      )
      const file = join(folder, 'app.mjs')
      writeFileSync(
        file,
        `export { default } from ${JSON.stringify(pathToFileURL(fixture('lone-store.mjs')).href)}`,
      )
      const serving = new Serving([file, '--server', server], { SESSION_STORE: 'own-store' })
      expect(await serving.exit).toBe(1)
      expect(serving.output).toMatch(/the own store is here/)
    },
  )
})

describe('workers', () => {
  test('as many processes answer as were asked for', async () => {
    const serving = serve(fixture('listener.ts'), '--workers', '3')
    const address = await serving.address()
    const seen = new Set<number>()
    while (seen.size < 3) seen.add((await answer(address)).pid)
    expect([...seen].sort()).toEqual((await serving.pids()).sort())
    expect(seen).not.toContain(serving.process.pid)
  })

  test('their number comes from SOJOURN_WORKERS, then from WEB_CONCURRENCY', async () => {
    const both = new Serving([fixture('listener.ts')], { SOJOURN_WORKERS: '2', WEB_CONCURRENCY: '3' })
    const one = new Serving([fixture('listener.ts')], { WEB_CONCURRENCY: '3' })
    expect(await both.pids()).toHaveLength(2)
    expect(await one.pids()).toHaveLength(3)
  })

  test('one that is killed is replaced, and the others go on meanwhile', async () => {
    const serving = serve(fixture('listener.ts'), '--workers', '2')
    const address = await serving.address()
    const [victim = 0, other] = await serving.pids()
    process.kill(victim, 'SIGKILL')
    await serving.line(new RegExp(`^Worker ${victim} was ended by SIGKILL`))
    expect((await answer(address)).pid).not.toBe(victim)
    const [, replacement] = await serving.line(/^Worker (\d+) took its place/)
    const seen = new Set<number>()
    while (seen.size < 2) seen.add((await answer(address)).pid)
    expect([...seen].sort()).toEqual([other, Number(replacement)].sort())
  })

  test.each([1, 2])('while %i of 3 are dead, another answers what comes to their sockets', async dead => {
    const folder = mkdtempSync(join(tmpdir(), 'sojourn-late-'))
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
    const late = join(folder, 'late')
    const serving = new Serving([fixture('late.mjs'), '--workers', '3'], { LATE: late })
    const address = await serving.address()
    const pids = await serving.pids()
    writeFileSync(late, '')
    for (const victim of pids.slice(0, dead)) {
      process.kill(victim, 'SIGKILL')
      await serving.line(new RegExp(`^Worker ${victim} .*Starting another`))
    }
    const answers = await Promise.all(Array.from({ length: 60 }, () => fetchText(address)))
    expect(new Set(answers)).toEqual(new Set(pids.slice(dead).map(String)))
    expect(serving.output).not.toMatch(/took its place/)
    rmSync(late)
    await serving.line(/took its place/)
  })

  test('one that is told to end finishes, closes, and is replaced', async () => {
    const serving = serve(fixture('slow.mjs'), '--workers', '1')
    const address = await serving.address()
    const [pid = 0] = await serving.pids()
    const held = fetchText(address)
    await serving.line(/^1 waiting/)
    process.kill(pid, 'SIGTERM')
    process.kill(pid, 'SIGUSR2')
    expect(await held).toBe('last')
    await serving.line(new RegExp(`^closed ${pid}$`))
    await serving.line(/took its place/)
  })

  test('what all say while they start is shown once', async () => {
    const serving = new Serving([fixture('lone-store.mjs'), '--workers', '3'], { SESSION_STORE: 'memory' })
    await serving.address()
    expect(serving.lines.filter(line => line.startsWith('Session storage initialized'))).toHaveLength(1)
  })

  test('what they log later is logged each time, through the logger of the application', async () => {
    const serving = serve(fixture('logs.mjs'), '--workers', '2')
    const address = await serving.address()
    for (let i = 0; i < 4; i++) await fetchText(address)
    const times = (said: string) => serving.lines.filter(line => line === said).length
    await expect.poll(() => [times('kept'), times('[own] asked')]).toEqual([4, 4])
  })

  test('a store that they do not share is warned of, if there are several', async () => {
    const env = { SESSION_STORE: 'memory' }
    const several = new Serving([fixture('lone-store.mjs'), '--workers', '2'], env)
    const one = new Serving([fixture('lone-store.mjs'), '--workers', '1'], env)
    await Promise.all([several.address(), one.address()])
    expect(several.output).toMatch(/Each of the 2 workers keeps sessions of its own/)
    expect(one.output).not.toMatch(/keeps sessions of its own/)
  })

  test('a secret that each worker makes for itself is warned of, if there are several', async () => {
    const several = serve(fixture('own-secret.mjs'), '--workers', '2')
    const threads = serve(fixture('own-secret.mjs'), '--server', 'threads', '--threads', '2')
    const one = serve(fixture('own-secret.mjs'), '--workers', '1')
    await Promise.all([several.address(), threads.address(), one.address()])
    expect(several.output).toMatch(/Each worker signs with a secret of its own/)
    expect(threads.output).toMatch(/Each worker signs with a secret of its own/)
    expect(one.output).not.toMatch(/a secret of its own/)
  })

  test('Secure cookies of an application that trusts no proxy are warned of', async () => {
    const options = [fixture('behind-proxy.mjs'), '--workers', '1']
    const [trusting, careless] = [new Serving(options, { TRUSTED: '1' }), new Serving(options)]
    await Promise.all([trusting.address(), careless.address()])
    expect(careless.output).toMatch(/the application does not trust one.*app\.set\('trust proxy', 1\)/)
    expect(trusting.output).not.toMatch(/trust/)
  })
})
