import { once } from 'node:events'
import { createServer } from 'node:net'

/** Free ports of loopback, held at once so that they differ. */
export async function freePorts(count: number): Promise<number[]> {
  const probes = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  const ports: number[] = []
  for (const probe of probes) {
    if (!probe.listening) await once(probe, 'listening')
    const address = probe.address()
    if (typeof address === 'object' && address !== null) ports.push(address.port)
  }
  for (const probe of probes) probe.close()
  return ports
}

export async function freePort(): Promise<number> {
  const [port = 0] = await freePorts(1)
  return port
}
