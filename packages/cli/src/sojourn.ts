#!/usr/bin/env node
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { styleText } from 'node:util'
import type { Logger } from '@sojourn/core'
import { Command } from 'commander'
import { doctorCommand } from './doctor-command.ts'
import { explain } from './explain.ts'
import { surviveLostReaders } from './lost-readers.ts'
import { secretCommand } from './secret-command.ts'
import { serveCommand } from './serve-command.ts'

surviveLostReaders()

const toStderr = (message: string, colour?: 'yellow' | 'red') =>
  void process.stderr.write(`${colour ? styleText(colour, message, { stream: process.stderr }) : message}\n`)
const log: Logger = {
  info: message => void process.stdout.write(`${message}\n`),
  warn: message => toStderr(message, 'yellow'),
  error: message => toStderr(message, 'red'),
}

const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package.json'), 'utf8'))

try {
  await new Command('sojourn')
    .description('Sessions that hold across many Node processes')
    .version(version)
    .showHelpAfterError('(--help tells more)')
    .addCommand(serveCommand(log, process.env))
    .addCommand(doctorCommand())
    .addCommand(secretCommand(process.env))
    .parseAsync()
} catch (error) {
  log.error(explain(error))
  process.exitCode = 1
}
