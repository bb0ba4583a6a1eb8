import { fork } from 'node:child_process'
import { once } from 'node:events'
import { extname, join } from 'node:path'
import { type Check, failure } from './check.ts'

/** What is to be looked at, beside the environment. */
export interface Task {
  /** The URL of an application's module. */
  readonly module?: string | undefined
  /** Of a running application. */
  readonly url?: string | undefined
}

interface ChecksMessage {
  /** Keeps it apart from what an application itself sends. */
  readonly sojourn: 'checks'
  readonly checks: readonly Check[]
}

export const doneMessage = 'sojourn:examined'

/** Beside this file: compiled, or the TypeScript source. */
const examinerFile = join(import.meta.dirname, `examiner${extname(import.meta.filename)}`)
/** Milliseconds between two things that are found: a module, a store or a server may never answer. */
const patience = 30_000
/** Milliseconds for a store to be closed. */
const closing = 2_000

/**
 * Looks at an application, in a process of its own: whatever that does to its process, the doctor can tell. What it
 * prints goes to stderr.
 */
export async function examination(task: Task): Promise<Check[]> {
  const examiner = fork(examinerFile, [JSON.stringify(task)], { stdio: ['ignore', 2, 2, 'ipc'] })
  const found: Check[] = []
  let isDone = false
  const kill = () => examiner.kill('SIGKILL')
  let limit = setTimeout(kill, patience)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => {
      kill()
      process.kill(process.pid, signal)
    })
  examiner.on('message', message => {
    if (!isOurs(message)) return
    clearTimeout(limit)
    if (message === doneMessage) isDone = true
    else found.push(...message.checks)
    limit = setTimeout(kill, isDone ? closing : patience)
  })
  const [[code]] = await Promise.all([once(examiner, 'exit'), once(examiner, 'disconnect')])
  clearTimeout(limit)
  if (!isDone) found.push(code === null ? hung : endedEarly)
  // Several sessions have some things in common.
  return [...new Map(found.map(check => [JSON.stringify(check), check])).values()]
}

export function checksMessage(checks: readonly Check[]): ChecksMessage {
  return { sojourn: 'checks', checks }
}

export function toTask(text: string): Task {
  return JSON.parse(text)
}

const endedEarly = failure(
  'module',
  'it ended the process before all was looked at',
  'See what it says above.',
)
const hung = failure(
  'module',
  `nothing more was found within ${patience / 1000} s, or the process was killed`,
  'See what the module, its store or the server waits for.',
)

function isOurs(message: unknown): message is ChecksMessage | typeof doneMessage {
  if (message === doneMessage) return true
  return typeof message === 'object' && message !== null && 'sojourn' in message && 'checks' in message
}
