import { format } from 'node:util'

const streams = { log: 'stdout', info: 'stdout', warn: 'stderr', error: 'stderr' } as const

type Said = (to: 'stdout' | 'stderr', text: string) => void

/**
 * Hands what is logged to `said` instead of printing it, until the returned function is called. While they start, all
 * workers say the same; only the primary can tell and show it once.
 *
 * Loggers keep these functions, or put others in their place that call them: later, theirs print as the console does,
 * and what is in its place stays there.
 */
export function relayConsole(said: Said): () => void {
  let starting = true
  const restores = (Object.keys(streams) as (keyof typeof streams)[]).map(method => {
    const original = console[method]
    const relay = (...args: unknown[]) => {
      if (starting) said(streams[method], format(...args))
      else original.apply(console, args)
    }
    console[method] = relay
    return () => {
      if (console[method] === relay) console[method] = original
    }
  })
  return () => {
    starting = false
    for (const restore of restores) restore()
  }
}
