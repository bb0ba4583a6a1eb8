import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const command = join(dirname(fileURLToPath(import.meta.resolve('@sojourn/cli'))), 'sojourn.ts')
/** From which the store packages can be found. */
export const applicationFolder = join(import.meta.dirname, '../..')

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warning' | 'failure'
  readonly found: string
  readonly remedy?: string
}

export interface Diagnosis {
  readonly code: number | null
  readonly checks: readonly Check[]
  readonly output: string
}

export interface Surroundings {
  readonly env?: NodeJS.ProcessEnv
  readonly args?: readonly string[]
  readonly cwd?: string
  /** A program, with its arguments, that starts another in conditions of its own. */
  readonly launcher?: readonly string[]
  /** Of Node. */
  readonly flags?: readonly string[]
}

/** One run of `sojourn doctor`, in production, with a strong secret, unless the environment says otherwise. */
export function doctor({ env, args = [], cwd, launcher = [], flags = [] }: Surroundings): Diagnosis {
  const node = [
    process.execPath,
    '--conditions=@sojourn/source',
    ...flags,
    command,
    'doctor',
    '--json',
    ...args,
  ]
  const [program = '', ...rest] = [...launcher, ...node]
  const { status, stdout, stderr } = spawnSync(program, rest, {
    cwd: cwd ?? applicationFolder,
    env: {
      PATH: process.env.PATH,
      NODE_ENV: 'production',
      SECRET_KEY: 'a-secret-of-the-tests-that-is-long-enough',
      ...env,
    },
    encoding: 'utf8',
  })
  const output = `${stdout}${stderr}`
  const { checks = [] }: { checks?: Check[] } = stdout.startsWith('{') ? JSON.parse(stdout) : {}
  return { code: status, checks, output }
}

/** The checks that are not well, as one text each. */
export function troubles({ checks }: Diagnosis): string[] {
  return checks
    .filter(({ status }) => status !== 'ok')
    .map(({ name, status, found, remedy }) => `${status} ${name}: ${found} -> ${remedy ?? ''}`)
}
