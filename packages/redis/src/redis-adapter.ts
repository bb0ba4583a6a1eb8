import type KeyvRedis from '@keyv/redis'
import { type Applied, type AtomicAdapter, corrupt, type TextChange } from '@sojourn/keyv'
import { applyChangeScript, applyChangeSha, argumentsOf } from './apply-change.ts'
import type { Link } from './link.ts'
import { send } from './send.ts'
import { replyCode } from './trouble.ts'

/** What of a client its commands need. */
interface SetClient {
  set(
    key: string,
    value: string,
    options: { condition: 'NX'; expiration: { type: 'PX'; value: number } },
  ): Promise<unknown>
}

/** KeyvRedis with the two atomic steps that Sojourn needs, each one command. */
export class RedisAdapter implements AtomicAdapter {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  get(key: string): Promise<unknown> {
    return this.#link.run(redis => send(redis, key, 'GET', key))
  }

  set(key: string, value: string, ttl?: number): Promise<unknown> {
    return this.#link.run(redis => redis.set(key, value, ttl))
  }

  delete(key: string): Promise<unknown> {
    return this.#link.run(redis => redis.delete(key))
  }

  disconnect(): Promise<void> {
    return this.#link.close()
  }

  async createIfAbsent(key: string, text: string, expiresAt: number): Promise<boolean> {
    const life = Math.ceil(expiresAt - Date.now())
    if (life <= 0) return true
    const options = { condition: 'NX', expiration: { type: 'PX', value: life } } as const
    const set = (redis: KeyvRedis<string>) => (redis.client as unknown as SetClient).set(key, text, options)
    return (await this.#link.run(set)) !== null
  }

  /** Milliseconds that Redis lets the key live still; negative if it is not there. */
  async life(key: string): Promise<number> {
    return Number(await this.#link.run(redis => send(redis, key, 'PTTL', key)))
  }

  /** Looks for each of these; one server of a Cluster does not answer for all. A Cluster finds whom to ask, so it is not asked. */
  async getAll(keys: readonly string[]): Promise<void> {
    await this.#link.run(async redis => {
      if (!redis.isCluster()) await Promise.all(keys.map(key => send(redis, key, 'GET', key)))
    })
  }

  /** As `applyChange`, but with the script's whole text, as a server needs it that does not have it yet. */
  async applyChangeAnew(key: string, change: TextChange): Promise<void> {
    const args = argumentsOf(change, Date.now(), this.#link.longestWay)
    await this.#link.run(redis => send(redis, key, 'EVAL', applyChangeScript, '1', key, ...args))
  }

  async applyChange(key: string, change: TextChange): Promise<Applied> {
    const args = argumentsOf(change, Date.now(), this.#link.longestWay)
    return appliedFrom(await this.#link.run(redis => runScript(redis, key, args)))
  }
}

async function runScript(redis: KeyvRedis<string>, key: string, args: string[]): Promise<unknown> {
  try {
    return await send(redis, key, 'EVALSHA', applyChangeSha, '1', key, ...args)
  } catch (error) {
    // A restarted, flushed or promoted server does not have the script yet: this sends and keeps it.
    if (replyCode(error) === 'NOSCRIPT') return send(redis, key, 'EVAL', applyChangeScript, '1', key, ...args)
    throw replyCode(error) === 'CORRUPT' ? corrupt() : error
  }
}

function appliedFrom(reply: unknown): Applied {
  const [status, detail] = Array.isArray(reply) ? reply : []
  if (status === 'gone') return { status }
  if (status === 'conflict' && typeof detail === 'string') return { status, text: detail }
  if (status === 'written') return { status, version: Number(detail) }
  throw corrupt()
}
