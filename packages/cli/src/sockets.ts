import { lookup } from 'node:dns/promises'
import { once } from 'node:events'
import net from 'node:net'
import { getSystemErrorName } from 'node:util'

export interface Address {
  /** 0 for any free one. */
  readonly port: number
  /** Default: all addresses of the machine. */
  readonly host?: string | undefined
}

/** A socket of the primary, bound to the address, from which it accepts nothing: its workers do, each by a copy. */
export interface Socket {
  readonly fd: number
  close(): void
}

export interface Sockets {
  readonly port: number
  readonly sockets: readonly Socket[]
  /** Others may try to bind the port: it is listened to, so that they will notice, or no longer needed. */
  release(): void
}

/** libuv's UV_TCP_REUSEPORT. */
const reusePort = 2

/** In Node's `net`, for its own `cluster`. A `net.Server` would accept, and there is no other way to a mere socket. */
type CreateServerHandle = (
  address: string | null,
  port: number | null,
  family: number | null,
  fd?: number,
  flags?: number,
) => Handle | number

interface Handle extends Socket {
  getsockname(into: { port?: number }): number
}

/**
 * Binds one socket. It lives as long as the primary, whatever becomes of workers, and so does what waits in it to be
 * accepted.
 *
 * @throws Error with `code` and `syscall`, as Node's own `listen` has them
 */
export async function bindOne(at: Address): Promise<Sockets> {
  return bind(at, [0])
}

/**
 * Binds several sockets to one address (SO_REUSEPORT): the kernel spreads connections over them.
 *
 * @throws Error with `code` ENOTSUP where the platform can't, EADDRINUSE also if another process has done the same
 */
export async function bindSeveral(at: Address, count: number): Promise<Sockets> {
  const release = process.platform === 'linux' && at.port !== 0 ? await claim(at) : () => undefined
  try {
    // Whoever else shares the port in this way would not be noticed.
    const { port, sockets } = await bindOne(at)
    for (const probe of sockets) probe.close()
    const several = Array.from({ length: count }, () => reusePort)
    return { ...(await bind({ ...at, port }, several)), release }
  } catch (error) {
    release()
    throw error
  }
}

/**
 * Of several that start at the same time, none of which listens yet, one gets the port: by a name among Linux's abstract
 * sockets, which ends with the process and is as wide as the network that ports are of.
 */
async function claim(at: Address): Promise<() => void> {
  const claimed = net.createServer(stranger => stranger.destroy()).unref()
  try {
    claimed.listen(`\0sojourn-serve:${at.port}`)
    await once(claimed, 'listening')
  } catch {
    throw listenError('EADDRINUSE', at)
  }
  return () => void claimed.close()
}

/** What a server listens on that is to take its connections from an inherited socket. */
export function inherited(fd: number): object {
  const handle = createServerHandle(null, null, null, fd)
  if (typeof handle === 'number') throw listenError(getSystemErrorName(handle), { port: 0 })
  return handle
}

async function bind(at: Address, flags: readonly number[]): Promise<Sockets> {
  const found = at.host === undefined ? null : await lookup(at.host)
  const handles: Handle[] = []
  let { port } = at
  try {
    for (const flag of flags) {
      const handle = createServerHandle(found?.address ?? null, port, found?.family ?? null, undefined, flag)
      if (typeof handle === 'number') throw listenError(getSystemErrorName(handle), at)
      handles.push(handle)
      const bound: { port?: number } = {}
      const failed = handle.getsockname(bound)
      if (failed) throw listenError(getSystemErrorName(failed), at)
      port = bound.port ?? port
    }
  } catch (error) {
    for (const handle of handles) handle.close()
    throw error
  }
  return { port, sockets: handles, release: () => undefined }
}

function createServerHandle(...args: Parameters<CreateServerHandle>): Handle | number {
  const create: unknown = Reflect.get(net, '_createServerHandle')
  if (!isCreateServerHandle(create)) throw new Error('This release of Node is not known to sojourn serve.')
  return create(...args)
}

function isCreateServerHandle(value: unknown): value is CreateServerHandle {
  return typeof value === 'function'
}

function listenError(code: string, { host, port }: Address): Error {
  return Object.assign(new Error(`bind ${code} ${host ?? '*'}:${port}`), { code, syscall: 'bind', port })
}
