import { defineConfig } from 'vitest/config'

// Sources, not builds: the condition of our own that every package's exports name.
const source = '@sojourn/source'

export default defineConfig({
  resolve: { conditions: [source, 'node', 'module'] },
  ssr: { resolve: { conditions: [source, 'node', 'module'], externalConditions: [source] } },
  test: {
    root: import.meta.dirname,
    include: ['packages/*/test/**/*.test.ts', 'apps/*/test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    execArgv: [`--conditions=${source}`],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ['default', ['json', { outputFile: '.test-report.json' }]],
  },
})
