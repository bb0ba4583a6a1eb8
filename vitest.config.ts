import { defineConfig } from 'vitest/config'

// Sources, not builds: the condition of our own that every package's exports name.
const source = '@sojourn/source'

const include = ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts']
const load = ['packages/*/test/**/*.load.test.ts', 'apps/*/test/**/*.load.test.ts']

export default defineConfig({
  resolve: { conditions: [source, 'node', 'module'] },
  ssr: { resolve: { conditions: [source, 'node', 'module'], externalConditions: [source] } },
  test: {
    root: import.meta.dirname,
    pool: 'forks',
    projects: [
      {
        extends: true,
        test: { name: 'tests', include, exclude: load, maxWorkers: 2, sequence: { groupOrder: 0 } },
      },
      // What puts the machine under load, and counts on an answer in time, has it to itself.
      { extends: true, test: { name: 'load', include: load, maxWorkers: 1, sequence: { groupOrder: 1 } } },
    ],
    execArgv: [`--conditions=${source}`],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', ['json', { outputFile: '.test-report.json' }]],
  },
})
