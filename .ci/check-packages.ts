// Packs every package that is published, as the registry would get it, and lets publint and arethetypeswrong look at
// the tarball. Needs a build.
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const root = join(import.meta.dirname, '..')
const programs = join(root, 'node_modules', '.bin')

const tarballs = await mkdtemp(join(tmpdir(), 'sojourn-packages-'))
try {
  let failures = 0
  for (const folder of await publishedFolders()) failures += (await check(folder)) ? 0 : 1
  process.exitCode = failures > 0 ? 1 : 0
} finally {
  await rm(tarballs, { recursive: true })
}

async function publishedFolders(): Promise<string[]> {
  const folders = (await readdir(join(root, 'packages'))).map(name => join(root, 'packages', name))
  const flags = await Promise.all(folders.map(isPublished))
  return folders.filter((_, index) => flags[index])
}

/** False also for a folder that is no package: what a branch had that is gone leaves its node_modules behind. */
async function isPublished(folder: string): Promise<boolean> {
  const text = await readFile(join(folder, 'package.json'), 'utf8').catch(() => '{"private":true}')
  const manifest: unknown = JSON.parse(text)
  return typeof manifest === 'object' && manifest !== null && !('private' in manifest && manifest.private)
}

async function check(folder: string): Promise<boolean> {
  const tarball = join(tarballs, `${basename(folder)}.tgz`)
  const packing = await problemsOf(...pnpm(['pack', '--out', tarball]), folder)
  const problems = packing === '' ? await problemsIn(tarball) : packing
  process.stdout.write(`${problems === '' ? 'ok' : 'PROBLEM'} ${relative(root, folder)}\n${problems}`)
  return problems === ''
}

async function problemsIn(tarball: string): Promise<string> {
  const found = await Promise.all([
    problemsOf(join(programs, 'publint'), ['run', tarball, '--strict']),
    problemsOf(join(programs, 'attw'), [tarball, '--profile', 'esm-only', '--no-emoji', '--no-color']),
  ])
  return found.join('')
}

/** What the program printed if it found something; empty if all is well. */
async function problemsOf(program: string, args: string[], cwd: string = root): Promise<string> {
  try {
    // publint leaves what it unpacked behind when it finds something.
    await run(program, args, { cwd, env: { ...process.env, TMPDIR: tarballs } })
    return ''
  } catch (error) {
    if (error instanceof Error && 'stdout' in error && 'stderr' in error)
      return `${error.stdout}${error.stderr}`
    throw error
  }
}

/** The pnpm that runs this script, or else one from the registry. */
function pnpm(args: string[]): [string, string[]] {
  const { npm_execpath: own = '' } = process.env
  return /pnpm[^/]*$/.test(own) ? [own, args] : ['npx', ['-y', 'pnpm@12.21.0', ...args]]
}
