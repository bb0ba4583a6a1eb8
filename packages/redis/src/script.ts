import { createHash } from 'node:crypto'
import type KeyvRedis from '@keyv/redis'
import { corrupt } from '@sojourn/keyv'
import { send } from './send.ts'
import { replyCode } from './trouble.ts'

/** One atomic step on a key, in one round trip. */
export class Script {
  readonly #text: string
  readonly #sha: string

  constructor(text: string) {
    this.#text = text
    this.#sha = createHash('sha1').update(text).digest('hex')
  }

  /** @throws SessionError ERR_SESSION_CORRUPT if the script says so */
  async run(redis: KeyvRedis<string>, key: string, values: readonly string[]): Promise<unknown> {
    try {
      return await send(redis, key, 'EVALSHA', this.#sha, '1', key, ...values)
    } catch (error) {
      // A restarted, flushed or promoted server does not have the script yet: this sends and keeps it.
      if (replyCode(error) === 'NOSCRIPT') return this.runAnew(redis, key, values)
      throw replyCode(error) === 'CORRUPT' ? corrupt() : error
    }
  }

  /** With its whole text, as a server needs it that does not have it yet. */
  runAnew(redis: KeyvRedis<string>, key: string, values: readonly string[]): Promise<unknown> {
    return send(redis, key, 'EVAL', this.#text, '1', key, ...values)
  }
}
