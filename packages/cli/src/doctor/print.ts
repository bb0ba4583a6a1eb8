import { styleText } from 'node:util'
import { type Check, exitCode } from './check.ts'

const colours = { ok: 'green', warning: 'yellow', failure: 'red' } as const
const verdicts = ['All is well.', 'It works, with warnings.', 'It does not work as it is.'] as const

/** For people: colours on a terminal, and there alone. */
export function printed(checks: readonly Check[]): string {
  const widest = Math.max(...checks.map(({ name }) => name.length))
  const lines = checks.flatMap(({ name, status, found, remedy }) => {
    const word = styleText(colours[status], status.padEnd('failure'.length), { stream: process.stdout })
    const indent = ' '.repeat('failure'.length + widest + 4)
    return [
      `${word}  ${name.padEnd(widest)}  ${found.replaceAll('\n', `\n${indent}`)}`,
      ...(remedy === undefined ? [] : [`${indent}-> ${remedy.replaceAll('\n', `\n${indent}   `)}`]),
    ]
  })
  return [...lines, '', verdicts[exitCode(checks)]].join('\n')
}

/** For programs. */
export function asJson(checks: readonly Check[]): string {
  return JSON.stringify({ exitCode: exitCode(checks), checks }, undefined, 2)
}
