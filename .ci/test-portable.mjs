// The tests that run anywhere, on the Node that runs this: no server, no program and nothing of Linux.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const tests = ['core', 'conformance', 'cookie', 'express', 'koa', 'keyv'].map(
  name => `packages/${name}/test/`,
)
const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs')
const options = ['run', '--project', 'tests', '--exclude', '**/postgres*']
const { status } = spawnSync(
  process.execPath,
  [vitest, ...options, ...tests, 'packages/filesystem/test/conformance'],
  {
    cwd: root,
    stdio: 'inherit',
  },
)
process.exitCode = status ?? 1
