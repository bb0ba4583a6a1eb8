// Prints what Vitest counted as the last line of .ci/run, and fails if a test failed or none ran. Plain JavaScript:
// the machine's own Node runs it, which may be too old for types.
import { existsSync, readFileSync } from 'node:fs'

const report = new URL('../.test-report.json', import.meta.url)
const counted = existsSync(report) ? JSON.parse(readFileSync(report, 'utf8')) : {}
const { numPassedTests: passed = 0, numFailedTests: failed = 0 } = counted
const { numPendingTests: pending = 0, numTodoTests: todo = 0, success = false } = counted
process.stdout.write(`${passed} passed, ${failed} failed, ${pending + todo} skipped\n`)
process.exitCode = success && failed === 0 && passed > 0 ? 0 : 1
