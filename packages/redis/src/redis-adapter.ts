import type KeyvRedis from '@keyv/redis'
import type { RedisClientConnectionType } from '@keyv/redis'
import { type Applied, type AtomicAdapter, corrupt, type TextChange } from '@sojourn/keyv'
import { applyChangeScript, applyChangeSha, argumentsOf } from './apply-change.ts'

/** What of a client, a cluster or a sentinel the scripts need. */
interface ScriptClient {
  evalSha(sha: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  eval(script: string, options: { keys: string[]; arguments: string[] }): Promise<unknown>
  set(
    key: string,
    value: string,
    options: { condition: 'NX'; expiration: { type: 'PX'; value: number } },
  ): Promise<unknown>
}

/** KeyvRedis with the two atomic steps that Sojourn needs, each one command. */
export class RedisAdapter implements AtomicAdapter {
  readonly #keyv: KeyvRedis<string>
  #connected: Promise<RedisClientConnectionType> | undefined

  constructor(keyv: KeyvRedis<string>) {
    this.#keyv = keyv
  }

  async get(key: string): Promise<unknown> {
    await this.#client()
    return this.#keyv.get(key)
  }

  async set(key: string, value: string, ttl?: number): Promise<unknown> {
    await this.#client()
    return this.#keyv.set(key, value, ttl)
  }

  async delete(key: string): Promise<unknown> {
    await this.#client()
    return this.#keyv.delete(key)
  }

  async disconnect(): Promise<void> {
    this.#connected = Promise.reject(new Error('the Redis store is closed'))
    this.#connected.catch(() => undefined)
    await this.#keyv.disconnect()
  }

  async createIfAbsent(key: string, text: string, expiresAt: number): Promise<boolean> {
    const life = Math.ceil(expiresAt - Date.now())
    if (life <= 0) return true
    const client = await this.#client()
    return (
      (await client.set(key, text, { condition: 'NX', expiration: { type: 'PX', value: life } })) !== null
    )
  }

  async applyChange(key: string, change: TextChange): Promise<Applied> {
    const client = await this.#client()
    const options = { keys: [key], arguments: argumentsOf(change, Date.now()) }
    const reply = await client.evalSha(applyChangeSha, options).catch((error: unknown) => {
      // A restarted, flushed or promoted server does not have the script yet: this sends and keeps it.
      if (startsWith(error, 'NOSCRIPT')) return client.eval(applyChangeScript, options)
      throw startsWith(error, 'CORRUPT') ? corrupt() : error
    })
    return appliedFrom(reply)
  }

  /** Waits for the first connection only; later ones are node-redis' own affair, and commands fail meanwhile. */
  async #client(): Promise<ScriptClient> {
    this.#connected ??= this.#keyv.getClient().catch((error: unknown) => {
      this.#connected = undefined
      throw error
    })
    const client: unknown = await this.#connected
    return client as ScriptClient
  }
}

function appliedFrom(reply: unknown): Applied {
  const [status, detail] = Array.isArray(reply) ? reply : []
  if (status === 'gone') return { status }
  if (status === 'conflict' && typeof detail === 'string') return { status, text: detail }
  if (status === 'written') return { status, version: Number(detail) }
  throw corrupt()
}

function startsWith(error: unknown, code: string): boolean {
  return error instanceof Error && error.message.startsWith(code)
}
