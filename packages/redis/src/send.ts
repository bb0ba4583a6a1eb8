import type KeyvRedis from '@keyv/redis'

/** A client; `Before` is what its kind wants to know before a command. */
interface Sender<Before extends unknown[]> {
  sendCommand(...args: [...Before, command: string[], options: object]): Promise<unknown>
}

/** Whatever type the owner of a client wants for what he reads himself. */
const asTexts = { typeMapping: {} }

/**
 * Sends a command to the master that has the key. node-redis' own methods for what only reads, such as `get`, ask a replica
 * or a cache if the client has one, and neither may know yet that a session has ended.
 */
export function send(redis: KeyvRedis<string>, key: string, ...command: string[]): Promise<unknown> {
  if (!redis.isCluster()) return sendTo(redis.client, ...command)
  const cluster = redis.client as unknown as Sender<[key: string, readonly: boolean]>
  return cluster.sendCommand(key, false, command, asTexts)
}

/** The same to a client of one server, a pool of such, or a client of Sentinel. */
export function sendTo(client: object, ...command: string[]): Promise<unknown> {
  if ('getSentinelNode' in client)
    return (client as unknown as Sender<[readonly: boolean]>).sendCommand(false, command, asTexts)
  return (client as unknown as Sender<[]>).sendCommand(command, asTexts)
}
