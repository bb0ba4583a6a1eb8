import { format } from 'node:util'

const streams = { log: 'stdout', info: 'stdout', warn: 'stderr', error: 'stderr' } as const

type Said = (to: 'stdout' | 'stderr', text: string) => void

/**
 * Hands what is logged to `said` instead of printing it, until the returned function is called. While they start, all
 * workers say the same; only the primary can tell and show it once.
 */
export function relayConsole(said: Said): () => void {
  const { log, info, warn, error } = console
  for (const [method, to] of Object.entries(streams)) {
    Object.assign(console, { [method]: (...args: unknown[]) => said(to, format(...args)) })
  }
  return () => {
    Object.assign(console, { log, info, warn, error })
  }
}
