import { execFile } from 'node:child_process'
import { readdir, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const packages = join(import.meta.dirname, '..', '..', '..', 'packages')

export interface Tarball {
  readonly name: string
  readonly file: string
  /** What a user can import of it, such as `@sojourn/core/memory`. */
  readonly entries: readonly string[]
}

/** Packs every package that is published, as built, into `folder`. */
export async function packAll(folder: string): Promise<Tarball[]> {
  const tarballs: Tarball[] = []
  for (const directory of await readdir(packages)) {
    const text = await readFile(join(packages, directory, 'package.json'), 'utf8').catch(() => null)
    // A branch that had another package leaves its node_modules behind.
    if (text === null) continue
    const manifest: { name: string; private?: boolean; exports: object } = JSON.parse(text)
    if (manifest.private) continue
    const { name } = manifest
    const file = join(folder, `${directory}.tgz`)
    await pnpm(['pack', '--out', file], join(packages, directory))
    const entries = Object.keys(manifest.exports).map(path => name + path.slice(1))
    tarballs.push({ name, file, entries: entries.filter(entry => !entry.endsWith('.json')) })
  }
  return tarballs
}

export async function pnpm(args: string[], cwd: string): Promise<void> {
  await run('npx', ['-y', 'pnpm@12.21.0', ...args], { cwd, env: newcomersEnvironment() })
}

export async function npm(args: string[], cwd: string): Promise<void> {
  await run('npm', args, { cwd, env: newcomersEnvironment() })
}

/** Says where the tests run, which packages of the workspace are at hand (pnpm's NODE_PATH), or what sessions are to be. */
const ours =
  /^(npm_|pnpm_|PNPM_|VITEST|TEST$|NODE_ENV$|NODE_OPTIONS$|NODE_PATH$|INIT_CWD$|CI$|SESSION_|REDIS_URL$|SECRET_KEY)/

/** A newcomer's shell: nothing of the npm, pnpm and Vitest under which the tests run, nor the Node they bring along. */
export function newcomersEnvironment(): Record<string, string> {
  const env: Record<string, string> = {}
  for (const [name, value = ''] of Object.entries(process.env)) if (!ours.test(name)) env[name] = value
  const folders = (env.PATH ?? '').split(delimiter).filter(folder => !folder.includes('node_modules'))
  return { ...env, PATH: folders.join(delimiter) }
}
