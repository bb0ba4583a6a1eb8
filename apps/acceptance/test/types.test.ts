import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { it } from 'vitest'

const tsc = join(import.meta.dirname, '..', '..', '..', 'node_modules', '.bin', 'tsc')

/** Compiles programs as an application would, against the types that are published. */
async function compile(files: readonly string[], options: readonly string[]): Promise<void> {
  const programs = files.map(file => join(import.meta.dirname, 'fixtures', 'types', file))
  const shared = ['--ignoreConfig', '--noEmit', '--strict', '--target', 'es2023', '--types', 'node']
  await promisify(execFile)(tsc, [...shared, ...options, ...programs]).catch(({ stdout }) => {
    throw new Error(stdout)
  })
}

const kinds = {
  'moduleResolution node16': ['--module', 'node16', '--moduleResolution', 'node16'],
  'moduleResolution nodenext': ['--module', 'nodenext'],
  'moduleResolution bundler': ['--module', 'esnext', '--moduleResolution', 'bundler'],
  'every strictness there is': [
    ...['--module', 'nodenext', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess'],
    ...['--noPropertyAccessFromIndexSignature', '--verbatimModuleSyntax', '--isolatedModules'],
  ],
}
const kindsOfRequire = {
  'moduleResolution node16': ['--module', 'node20', '--moduleResolution', 'node16'],
  'moduleResolution nodenext': ['--module', 'nodenext'],
}

it.each(Object.entries(kinds))(
  'req.session and ctx.session have what the application declared, without a cast: %s',
  (_kind, options) => compile(['express.ts', 'koa.ts'], options),
)

it.each(Object.entries(kindsOfRequire))('so it is after require(): %s', (_kind, options) =>
  compile(['required.cts'], options),
)
