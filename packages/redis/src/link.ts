import { setTimeout as sleep } from 'node:timers/promises'
import type KeyvRedis from '@keyv/redis'
import { isSessionError, settleWithin } from '@sojourn/core/store-kit'
import { type Client, discard, type Servers } from './servers.ts'
import { redisUnavailable, replyCode, troubleOf } from './trouble.ts'

/** Milliseconds before the next attempt to connect; they double up to the longest. */
const firstPause = 25
const longestPause = 400

/**
 * The connection of a store: runs commands, each once and within a deadline, and replaces the connection when it
 * breaks, when nothing comes back on it, or when its server is no longer the master. While there is none, commands
 * wait for an attempt to connect that is under way, and fail at once between two attempts.
 */
export class Link {
  readonly #servers: Servers
  readonly #timeout: number
  /** Rejected while there is none. */
  #connection: Promise<KeyvRedis<string>> | undefined
  #current: KeyvRedis<string> | undefined
  #renewing = false
  #closed = false

  /** @param timeout milliseconds for a command, with the wait for a connection */
  constructor(servers: Servers, timeout: number) {
    this.#servers = servers
    this.#timeout = timeout
  }

  /** For messages: never a password. */
  get at(): string {
    return this.#servers.at
  }

  /** @throws SessionError ERR_SESSION_STORE_UNAVAILABLE, with the reason */
  async run<T>(command: (redis: KeyvRedis<string>) => Promise<T>): Promise<T> {
    let used: KeyvRedis<string> | undefined
    const answer = this.#connected().then(redis => {
      used = redis
      return command(redis)
    })
    try {
      return await settleWithin(answer, this.#timeout, tooSlow)
    } catch (error) {
      if (isSessionError(error)) throw error
      if (used !== undefined && isLost(error)) this.#renew(used)
      throw redisUnavailable(troubleOf(error), this.at, withoutContent(error))
    }
  }

  /** Waits for what is on its way, but not for ever. */
  async close(): Promise<void> {
    this.#closed = true
    const connection = this.#connection
    this.#connection = undefined
    const redis = await connection?.catch(() => undefined)
    if (this.#servers.close) await this.#servers.close()
    else if (redis !== undefined) await this.#finish(redis)
  }

  #connected(): Promise<KeyvRedis<string>> {
    if (this.#connection === undefined) this.#renew(undefined)
    return this.#connection ?? Promise.reject(new Error('the store is closed'))
  }

  /** Replaces the connection, unless it is replaced already. @param broken `undefined` for the first one */
  #renew(broken: KeyvRedis<string> | undefined): void {
    if (this.#closed || this.#renewing || broken !== this.#current) return
    if (broken !== undefined && !this.#servers.replaceable) return
    this.#renewing = true
    const done = () => {
      this.#renewing = false
    }
    this.#reconnect(broken).then(done, done)
  }

  async #reconnect(broken: KeyvRedis<string> | undefined): Promise<void> {
    // What is left of a cluster goes on working meanwhile.
    const partial = broken?.isCluster() === true
    if (broken !== undefined && !partial) discard(clientOf(broken))
    for (let pause = firstPause; !this.#closed; pause = Math.min(2 * pause, longestPause)) {
      if (partial) await rest(pause)
      const attempt = this.#servers.open()
      if (!partial) this.#connection = attempt
      try {
        this.#adopt(await attempt)
        this.#connection = attempt
        if (partial) this.#finish(broken).catch(() => undefined)
        return
      } catch {
        await rest(pause)
      }
    }
  }

  #adopt(redis: KeyvRedis<string>): void {
    this.#current = redis
    const client = clientOf(redis)
    client.on('error', () => {
      if (!client.isOpen) this.#renew(redis)
    })
    client.on('node-error', () => this.#renew(redis))
    if (this.#closed && !this.#servers.close) this.#finish(redis).catch(() => undefined)
  }

  async #finish(redis: KeyvRedis<string>): Promise<void> {
    const client = clientOf(redis)
    const closing = (async () => client.close())()
    await settleWithin(closing, this.#timeout, tooSlow).catch(() => undefined)
    discard(client)
  }
}

/** Its three kinds have these in common, though no type of node-redis says so. */
function clientOf(redis: KeyvRedis<string>): Client {
  return redis.client as unknown as Client
}

/** True if the connection is of no use any more: it broke, nothing came back on it, or it leads to a replica. */
function isLost(error: unknown): boolean {
  const reply = replyCode(error)
  return reply === undefined || reply === 'READONLY'
}

/** Redis repeats the arguments of a command that it does not know, and a session's id is among them. */
function withoutContent(error: unknown): unknown {
  const [safe, more] = error instanceof Error ? error.message.split(', with args') : []
  return more === undefined ? error : new Error(safe)
}

/** Without keeping the process alive. */
function rest(milliseconds: number): Promise<void> {
  return sleep(milliseconds, undefined, { ref: false })
}

function tooSlow(timeout: number): Error {
  return Object.assign(new Error(`no answer within ${timeout} ms`), { code: 'ETIMEDOUT' })
}
