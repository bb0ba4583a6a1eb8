import { describe, expect, test } from 'vitest'
import { sojourn } from './command.ts'

const commands = [[], ['serve'], ['doctor'], ['secret']]

describe.each(commands.map(command => [command.join(' ') || 'sojourn', command]))('%s', (_, command) => {
  test('--help fits a screen of 24 lines, on stdout', () => {
    const { code, stdout, stderr } = sojourn([...command, '--help'])
    expect([code, stderr]).toEqual([0, ''])
    const lines = stdout.trimEnd().split('\n')
    expect(lines.length).toBeLessThanOrEqual(24)
    expect(Math.max(...lines.map(line => line.length))).toBeLessThanOrEqual(80)
  })

  test('an unknown option is an error, on stderr', () => {
    const { code, stdout, stderr } = sojourn([...command, '--what'])
    expect(code).toBe(command[0] === 'doctor' ? 2 : 1)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/unknown option '--what'/)
  })
})

test('colours are for terminals alone', () => {
  for (const args of [['doctor'], ['serve', 'nowhere.mjs', '--port', '0']]) {
    const { stdout, stderr } = sojourn(args, { SESSION_STORE: 'memory', SECRET_KEY: 'dev' })
    expect(stdout + stderr).not.toBe('')
    expect(stdout + stderr).not.toContain('\u001b[')
  }
})
