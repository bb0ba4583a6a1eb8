import type { IncomingMessage } from 'node:http'
import { threadId } from 'node:worker_threads'

/** What `sojourn doctor` asks with, and where `sojourn serve` answers who it is. */
export const questionHeader = 'sojourn-doctor'
export const processHeader = 'sojourn-process'

/** The process's id, and the thread's; to whoever is on this machine, and came through no proxy. */
export function processFor({ headers, socket }: IncomingMessage): string | undefined {
  if (headers[questionHeader] === undefined) return undefined
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return undefined
  if (!/^(::1|(::ffff:)?127\.[\d.]+)$/.test(socket.remoteAddress ?? '')) return undefined
  return threadId === 0 ? `${process.pid}` : `${process.pid}.${threadId}`
}
