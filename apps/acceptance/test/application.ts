import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, realpath, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { projectFolder } from '@sojourn/core/store-kit'
import { newcomersEnvironment, npm, pnpm, type Tarball } from './tarballs.ts'

const startLimit = 20_000

/** The first program of the README, as a newcomer pastes it. */
export async function readmeProgram(): Promise<string> {
  const readme = await readFile(join(import.meta.dirname, '..', '..', '..', 'README.md'), 'utf8')
  const program = /<!-- program -->\s*```[jt]s\n(.*?)```/s.exec(readme)?.[1]
  if (program === undefined) throw new Error('README.md has no ```js after <!-- program -->')
  return program
}

/** An empty folder somewhere else, into which the tarballs are installed with what they are used with. */
export async function installApplication(tarballs: readonly Tarball[], by: 'npm' | 'pnpm'): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), `sojourn-packed-${by}-`)))
  const files = Object.fromEntries(tarballs.map(({ name, file }) => [name, `file:${file}`]))
  const dependencies = { ...files, express: '^5.0.0', koa: '^3.0.0' }
  await writeFile(
    join(folder, 'package.json'),
    JSON.stringify({ private: true, type: 'module', dependencies }),
  )
  if (by === 'npm') {
    await npm(['install', '--no-audit', '--no-fund', '--prefer-offline'], folder)
  } else {
    // What the tarballs need of each other is not in the registry yet either. JSON is YAML.
    const settings = {
      overrides: files,
      pmOnFail: 'ignore',
      minimumReleaseAge: 0,
      strictDepBuilds: false,
      hoist: false,
    }
    await writeFile(join(folder, 'pnpm-workspace.yaml'), JSON.stringify(settings))
    await pnpm(['install', '--no-frozen-lockfile', '--prefer-offline'], folder)
  }
  return folder
}

/** Removes the application, and where its sessions and its secret were kept. */
export async function removeApplication(folder: string): Promise<void> {
  await rm(projectFolder(folder), { recursive: true, force: true })
  await rm(folder, { recursive: true, force: true })
}

export interface Running {
  readonly url: string
  /** Standard output and standard error so far. */
  readonly output: () => string
  readonly stop: () => Promise<void>
}

/** Runs a command in the application's folder until it answers on its `PORT`, or fails with what it printed. */
export async function start(
  folder: string,
  command: readonly [program: string, ...args: string[]],
  env: Record<string, string> = {},
): Promise<Running> {
  const [program, ...args] = command
  const port = await freePort()
  const url = `http://127.0.0.1:${port}`
  const child = spawn(program, args, {
    cwd: folder,
    env: { ...runtimeEnvironment(), ...env, PORT: `${port}` },
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const exited = once(child, 'exit')
  const stop = async () => {
    child.kill()
    await exited
  }
  for (const end = Date.now() + startLimit; !(await answers(url)); await sleep(50)) {
    if (child.exitCode !== null) throw new Error(`exit code ${child.exitCode}: ${output}`)
    if (Date.now() > end) {
      await stop()
      throw new Error(`no answer in ${startLimit} ms: ${output}`)
    }
  }
  return { url, output: () => output, stop }
}

/** Imports, or requires, a module in the application's folder, with the conditions of any user. */
export async function loadIn(
  folder: string,
  specifier: string,
  by: 'import' | 'require' = 'import',
): Promise<void> {
  const name = JSON.stringify(specifier)
  const args =
    by === 'import'
      ? ['--input-type=module', '--eval', `await import(${name})`]
      : ['--input-type=commonjs', '--eval', `require(${name})`]
  await promisify(execFile)(process.execPath, args, { cwd: folder, env: runtimeEnvironment() })
}

/** Packages need a newer Node than the machine may have: that of the tests comes first, also for a `#!` line. */
export function runtimeEnvironment(): Record<string, string> {
  const env = newcomersEnvironment()
  return { ...env, PATH: [dirname(process.execPath), env.PATH].join(delimiter) }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    response => response.ok,
    () => false,
  )
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}
