import { inspect } from 'node:util'
import { isSessionError } from '@sojourn/core'

/** A user and a password in a URL. The password may have any characters, so it ends with the last `@` of the word. */
const credentials = /(?<=:\/\/)[^\s/:@'"`]*:[^\s'"`]*@/g

/**
 * An error as an operator wants to read it: Sojourn's own say what to do, others need to be found in the code. What a
 * module throws may show a URL with a password.
 */
export function explain(error: unknown): string {
  return explained(error).replace(credentials, '***@')
}

function explained(error: unknown): string {
  if (isSessionError(error)) return [error.message, ...causes(error)].join('\n  because: ')
  if (isListenError(error)) return explainListen(error)
  return inspect(error)
}

function causes(error: Error): string[] {
  return error.cause instanceof Error ? [error.cause.message, ...causes(error.cause)] : []
}

interface ListenError extends Error {
  readonly code: string
  readonly port?: number | string
}

function isListenError(error: unknown): error is ListenError {
  return (
    error instanceof Error &&
    'code' in error &&
    'syscall' in error &&
    /^(bind|listen)/.test(`${error.syscall}`)
  )
}

function explainListen(error: ListenError): string {
  const port = error.port === undefined ? 'The port' : `Port ${error.port}`
  if (error.code === 'EADDRINUSE') return `${port} is in use. Choose another with --port or PORT.`
  if (error.code === 'EACCES') return `${port} is not allowed to this user. Choose one from 1024 on.`
  return `Can't listen: ${error.message}. Check --host and --port.`
}
