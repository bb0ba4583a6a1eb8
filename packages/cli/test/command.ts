import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const commandFile = join(import.meta.dirname, '../src/sojourn.ts')

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `sojourn` from the sources, with this environment alone. */
export function sojourn(args: readonly string[], env: NodeJS.ProcessEnv = {}): Outcome {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--conditions=@sojourn/source', commandFile, ...args],
    { env: { PATH: process.env.PATH, ...env }, encoding: 'utf8' },
  )
  return { code: status, stdout, stderr }
}
