import { isSessionError } from '@sojourn/core'

/** A user and a password in a URL. The password may have any characters, so it ends with the last `@` of the word. */
const credentials = /(?<=:\/\/)[^\s/:@'"`]*:[^\s'"`]*@/g

/**
 * An error as an operator wants to read it: Sojourn's own say what to do, others need to be found in the code. Of those
 * only the stack is shown, since their properties may hold anything, and no password of a URL in it.
 */
export function explain(error: unknown): string {
  if (isSessionError(error)) return [error.message, ...causesOf(error, messageOf)].join('\n  because: ')
  if (error instanceof ListenFailure) return error.message
  return [stackOf(error), ...causesOf(error, stackOf)].join('\n  because: ')
}

function causesOf(error: unknown, told: (error: unknown) => string, deepest = 5): string[] {
  const cause = error instanceof Error && deepest > 0 ? error.cause : undefined
  return cause === undefined ? [] : [told(cause), ...causesOf(cause, told, deepest - 1)]
}

function messageOf(error: unknown): string {
  return masked(error instanceof Error ? error.message : named(error))
}

function stackOf(error: unknown): string {
  return masked(error instanceof Error ? (error.stack ?? error.message) : named(error))
}

function named(thrown: unknown): string {
  return typeof thrown === 'object' ? 'what was thrown is no Error' : String(thrown)
}

function masked(text: string): string {
  return text.replace(credentials, '***@')
}

/** With a message for operators. */
export class ListenFailure extends Error {}

/** Why the address can't be listened to. */
export function explainListen(error: unknown): string {
  const { code, port, message } = error as NodeJS.ErrnoException & { readonly port?: unknown }
  if (code === undefined) return message
  const which = Number(port) > 0 ? `Port ${port}` : 'The port'
  if (code === 'EADDRINUSE') return `${which} is in use. Choose another with --port or PORT.`
  if (code === 'EACCES') return `${which} is not allowed to this user. Choose one from 1024 on.`
  return `Can't listen: ${message}. Check --host and --port.`
}
