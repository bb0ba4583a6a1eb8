import type KeyvRedis from '@keyv/redis'
import { type Applied, type AtomicAdapter, corrupt, type TextChange } from '@sojourn/keyv'
import { applyChangeScript, argumentsOf } from './apply-change.ts'
import type { Link } from './link.ts'
import { Script } from './script.ts'
import { send } from './send.ts'
import { endScript } from './user-scripts.ts'

/** What of a client its commands need. */
interface SetClient {
  set(
    key: string,
    value: string,
    options: { condition: 'NX'; expiration: { type: 'PX'; value: number } },
  ): Promise<unknown>
}

const change = new Script(applyChangeScript)
const end = new Script(endScript)

/** KeyvRedis with the two atomic steps that Sojourn needs, each one command. */
export class RedisAdapter implements AtomicAdapter {
  readonly #link: Link

  constructor(link: Link) {
    this.#link = link
  }

  /** An empty text is a claim: see docs/decisions/0030. */
  async get(key: string): Promise<unknown> {
    return (await this.#link.run(redis => send(redis, key, 'GET', key))) || undefined
  }

  set(key: string, value: string, ttl?: number): Promise<unknown> {
    return this.#link.run(redis => redis.set(key, value, ttl))
  }

  delete(key: string): Promise<unknown> {
    return this.end(key, 0)
  }

  /**
   * Ends a session.
   *
   * @param claim milliseconds for which none can be created under the key, if there is none; 0 for a key that had one
   * @returns the text that begins its record, up to its data, or `undefined` if there was none
   */
  async end(key: string, claim: number): Promise<string | undefined> {
    const head = await this.#link.run(redis => end.run(redis, key, [String(claim)]))
    return typeof head === 'string' ? head : undefined
  }

  /** Whether there is a session under the key. */
  async stands(key: string): Promise<boolean> {
    return Number(await this.#link.run(redis => send(redis, key, 'STRLEN', key))) > 0
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
  async applyChangeAnew(key: string, wanted: TextChange): Promise<void> {
    const values = argumentsOf(wanted, Date.now(), this.#link.longestWay)
    await this.#link.run(redis => change.runAnew(redis, key, values))
  }

  async applyChange(key: string, wanted: TextChange): Promise<Applied> {
    const values = argumentsOf(wanted, Date.now(), this.#link.longestWay)
    return appliedFrom(await this.#link.run(redis => change.run(redis, key, values)))
  }
}

function appliedFrom(reply: unknown): Applied {
  const [status, detail] = Array.isArray(reply) ? reply : []
  if (status === 'gone') return { status }
  if (status === 'conflict' && typeof detail === 'string') return { status, text: detail }
  if (status === 'written') return { status, version: Number(detail) }
  throw corrupt()
}
