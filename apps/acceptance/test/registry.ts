import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cp, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { freePort } from '@sojourn/redis-servers'
import { newcomersEnvironment } from './tarballs.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..', '..', '..')
const require = createRequire(import.meta.url)

/** A real registry on loopback, for our packages alone: all others come from where they always come from. */
export class Registry {
  /** What a project's `.npmrc` must say to use it. */
  readonly npmrc: string
  readonly #folder: string
  readonly #process: ChildProcess

  private constructor(url: string, folder: string, child: ChildProcess) {
    const token = `${url.slice('http:'.length)}:_authToken=rehearsal`
    this.npmrc = `@sojourn:registry=${url}\n${token}\n`
    this.#folder = folder
    this.#process = child
  }

  static async start(): Promise<Registry> {
    const folder = await mkdtemp(join(tmpdir(), 'sojourn-registry-'))
    const listen = `127.0.0.1:${await freePort()}`
    const everybody = { access: '$all', publish: '$all' }
    // JSON is YAML.
    const settings = {
      storage: join(folder, 'storage'),
      auth: { htpasswd: { file: join(folder, 'htpasswd'), max_users: -1 } },
      packages: { '@sojourn/*': everybody },
      web: { enable: false },
      log: { type: 'stdout', format: 'pretty', level: 'fatal' },
    }
    const file = join(folder, 'config.yaml')
    await writeFile(file, JSON.stringify(settings))
    const program = join(dirname(require.resolve('verdaccio/package.json')), 'bin', 'verdaccio')
    const child = spawn(process.execPath, [program, '--config', file, '--listen', listen], {
      cwd: folder,
      env: newcomersEnvironment(),
      stdio: 'ignore',
    })
    const registry = new Registry(`http://${listen}/`, folder, child)
    for (let tries = 0; !(await answers(`http://${listen}/-/ping`)); tries++) {
      if (tries > 400 || child.exitCode !== null) throw new Error('Verdaccio did not start')
      await sleep(50)
    }
    return registry
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGTERM')
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, 'exit')
    await rm(this.#folder, { recursive: true })
  }
}

/** A copy of the repository as it is built, to be released from: its own is left as it is. */
export async function copyOfRepository(registry: Registry): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'sojourn-release-'))
  const kept = (source: string) =>
    !/[\\/](test([\\/]|$)|node_modules[\\/](?!@sojourn))/.test(source.slice(root.length))
  for (const name of ['.changeset', 'package.json', 'pnpm-workspace.yaml', 'packages', 'apps'])
    await cp(join(root, name), join(folder, name), { recursive: true, verbatimSymlinks: true, filter: kept })
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  await writeFile(join(folder, '.npmrc'), registry.npmrc)
  for (const each of await publishedFolders(folder)) {
    const file = join(each, 'package.json')
    // Only the release workflow can vouch for where a package comes from.
    await writeFile(file, (await readFile(file, 'utf8')).replace('"provenance": true', '"provenance": false'))
  }
  const identity = ['-c', 'user.name=rehearsal', '-c', 'user.email=rehearsal@localhost']
  await run('git', ['init', '-q', '-b', 'main'], { cwd: folder })
  await run('git', ['add', '.changeset'], { cwd: folder })
  await run('git', [...identity, 'commit', '-qm', 'rehearsal'], { cwd: folder })
  return folder
}

/** The folders of the packages that are published. */
export async function publishedFolders(repository: string): Promise<string[]> {
  const folders: string[] = []
  for (const name of await readdir(join(repository, 'packages'))) {
    const folder = join(repository, 'packages', name)
    const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{"private":true}')
    if (!JSON.parse(text).private) folders.push(folder)
  }
  return folders
}

/** Runs Changesets in the copy, with pnpm at hand, as the release workflow does. */
export async function changeset(repository: string, ...args: string[]): Promise<string> {
  const program = join(root, 'node_modules', '@changesets', 'cli', 'bin.js')
  const command = ['-y', '--package', 'pnpm@12.21.0', '--', 'node', program, ...args]
  const { stdout } = await run('npx', command, { cwd: repository, env: newcomersEnvironment() })
  return stdout
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    response => response.ok,
    () => false,
  )
}
