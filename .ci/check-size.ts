// What an application loads of each package: its entry with all that this imports of its own package, minified and
// gzipped. Fails over a limit, on an entry without one, and if core comes to depend on more. Needs a build.
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { rolldown } from 'rolldown'

const packages = join(import.meta.dirname, '..', 'packages')

/** Kilobytes of 1,024 bytes. docs/decisions/0040-weight.md says what weighs in core. */
const limits: Readonly<Record<string, number>> = {
  '@sojourn/core': 17.5,
  '@sojourn/core/http': 4,
  '@sojourn/core/memory': 3,
  '@sojourn/core/setup': 6,
  '@sojourn/core/store-kit': 4.5,
  '@sojourn/express': 3,
  '@sojourn/express-session': 2.5,
  '@sojourn/koa': 3,
  '@sojourn/cookie': 2.5,
  '@sojourn/keyv': 3,
  '@sojourn/filesystem': 8.5,
  '@sojourn/redis': 12.5,
}
/** Development only: no server loads them. */
const unlimited = /^@sojourn\/(cli|conformance)/
const dependenciesOfCore = ['cookie-signature']

interface Manifest {
  readonly name: string
  readonly private?: boolean
  readonly dependencies?: Readonly<Record<string, string>>
  readonly exports: Readonly<Record<string, { readonly default: string }>>
}

const problems: string[] = []
for (const folder of await readdir(packages)) {
  const text = await readFile(join(packages, folder, 'package.json'), 'utf8').catch(() => null)
  if (text === null) continue
  const manifest: Manifest = JSON.parse(text)
  if (manifest.private || unlimited.test(manifest.name)) continue
  for (const [path, { default: file }] of Object.entries(manifest.exports)) {
    check(manifest.name + path.slice(1), await sizeOf(join(packages, folder, file)))
  }
  const dependencies = Object.keys(manifest.dependencies ?? {})
  if (manifest.name === '@sojourn/core' && dependencies.join() !== dependenciesOfCore.join())
    problems.push(`${manifest.name} depends on ${dependencies.join(', ')}`)
}
process.stdout.write(problems.map(problem => `PROBLEM ${problem}\n`).join(''))
process.exitCode = problems.length > 0 ? 1 : 0

function check(entry: string, size: number): void {
  const limit = limits[entry]
  process.stdout.write(`${size.toFixed(1).padStart(5)} KB of ${limit ?? '-'}  ${entry}\n`)
  if (limit === undefined) problems.push(`${entry} has no limit: give it one in .ci/check-size.ts`)
  else if (size > limit) problems.push(`${entry} is over its limit of ${limit} KB`)
}

async function sizeOf(file: string): Promise<number> {
  // What is depended on counts where it is published.
  const bundle = await rolldown({ input: file, platform: 'node', external: /^[^./]/ })
  const { output } = await bundle.generate({ minify: true })
  await bundle.close()
  const code = output.map(chunk => (chunk.type === 'chunk' ? chunk.code : '')).join('')
  return gzipSync(code).length / 1024
}
