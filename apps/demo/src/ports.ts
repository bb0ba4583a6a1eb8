import { once } from 'node:events'
import { createServer } from 'node:net'

/** The first free port from `port` on that is not among `besides`. */
export async function freePortFrom(port: number, besides: readonly number[]): Promise<number> {
  let candidate = port
  while (besides.includes(candidate) || !(await isFree(candidate))) candidate += 1
  return candidate
}

async function isFree(port: number): Promise<boolean> {
  const probe = createServer().listen(port)
  try {
    await once(probe, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return false
    throw error
  }
  probe.close()
  await once(probe, 'close')
  return true
}
