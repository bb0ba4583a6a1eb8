import { setTimeout as sleep } from 'node:timers/promises'
import type KeyvRedis from '@keyv/redis'
import { codeOf, isSessionError, settleWithin } from '@sojourn/core/store-kit'
import { type Client, discard, type Servers } from './servers.ts'
import { withSpareErrors } from './spare-errors.ts'
import {
  isGarbled,
  isPlain,
  isQueueFull,
  redisUnavailable,
  replyCode,
  tooLate,
  troubleOf,
} from './trouble.ts'

/** Milliseconds before the next attempt to connect; they double up to the longest. */
const firstPause = 25
const longestPause = 400
/** Milliseconds after which an attempt to connect is not alone any more. */
const attemptEvery = 1000
/** Commands that may wait on a connection on which one has waited too long. */
const mostUnanswered = 100

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
  /** Milliseconds before the next attempt, and when the last one succeeded, by `performance.now()`. */
  #pause = firstPause
  #renewedAt = Number.NEGATIVE_INFINITY
  /** Commands that were sent, and those of them whose time is over: a client that was given keeps them. */
  readonly #unanswered = new Set<Promise<unknown>>()
  readonly #overdue = new Set<Promise<unknown>>()
  /** A client that was given may come again. */
  readonly #heard = new WeakSet<Client>()
  #closed = false

  /** @param timeout milliseconds for a command, with the wait for a connection */
  constructor(servers: Servers, timeout: number) {
    this.#servers = servers
    this.#timeout = timeout
  }

  /** Milliseconds from the moment that a command is made to that at which it is done, if it is answered in time. */
  get longestWay(): number {
    return this.#timeout + 100
  }

  /** For messages: never a password. */
  get at(): string {
    return this.#servers.at
  }

  /** Whether others are to follow the server that is written to. */
  get replicated(): boolean {
    return this.#servers.replicated === true
  }

  /** @throws SessionError ERR_SESSION_STORE_UNAVAILABLE, with the reason */
  async run<T>(command: (redis: KeyvRedis<string>) => Promise<T>): Promise<T> {
    let used: KeyvRedis<string> | undefined
    let sending: Promise<T> | undefined
    const begun = performance.now()
    let sent = 0
    const answer = this.#connected().then(redis => {
      // Who asked has been answered by now, and must not find it done.
      if (performance.now() - begun >= this.#timeout) throw tooLate(this.#timeout)
      if (this.#closed) throw new Error('the store is closed')
      if (!isReady(redis)) {
        // A client that was given may have closed itself for good; the next one opens it again.
        if (!clientOf(redis).isOpen) this.#forget(redis)
        throw new Error('the connection is down')
      }
      if (this.#overdue.size > 0 && this.#unanswered.size >= mostUnanswered) throw tooLate(this.#timeout)
      used = redis
      sent = performance.now()
      // Of these only a Cluster opens connections in the middle of a command, and one of its servers may be silent while the
      // others go on.
      sending = redis.isCluster() ? withSpareErrors(() => command(redis)) : this.#remember(command(redis))
      return sending
    })
    try {
      return await settleWithin(answer, this.#timeout, tooLate)
    } catch (error) {
      if (isSessionError(error)) throw error
      if (sending !== undefined && this.#unanswered.has(sending)) this.#overdue.add(sending)
      // Who waited for the connection first can't tell that nothing comes back on it.
      const unproven = isTimeout(error) && performance.now() - sent < 0.9 * this.#timeout
      // What the client itself refuses, because its queue is full, says nothing of the connection.
      const isOverloaded = used !== undefined && isQueueFull(error) && isReady(used)
      // A client of the whole Cluster that is sent away, or knows nobody to ask, has an old or a wrong view of it.
      const trouble = isOverloaded ? 'overloaded' : troubleOf(error)
      const isPart = used?.isCluster() === true && !isOverloaded && (trouble === 'cluster' || isPlain(error))
      if (used !== undefined && (isLost(error) || isPart) && !unproven && !isOverloaded)
        this.#renew(used, used.isCluster() || replyCode(error) !== undefined)
      throw redisUnavailable(isPart ? 'incomplete' : trouble, this.at, withoutContent(error))
    }
  }

  /** Waits for what is on its way, but not for ever. */
  async close(): Promise<void> {
    this.#closed = true
    this.#connection = undefined
    // One that is being opened is closed as soon as it is there.
    if (this.#servers.close) await this.#servers.close()
    else if (this.#current !== undefined) await this.#finish(this.#current)
  }

  /** What waits on a connection that is silent must not become ever more; one that is ours is replaced instead. */
  #remember<T>(answer: Promise<T>): Promise<T> {
    if (this.#servers.replaceable) return answer
    const forget = () => {
      this.#unanswered.delete(answer)
      this.#overdue.delete(answer)
    }
    this.#unanswered.add(answer)
    answer.then(forget, forget)
    return answer
  }

  #connected(): Promise<KeyvRedis<string>> {
    if (this.#connection === undefined) this.#renew(undefined)
    return this.#connection ?? Promise.reject(new Error('the store is closed'))
  }

  /**
   * Replaces the connection, unless it is replaced already.
   *
   * @param broken `undefined` for the first one
   * @param answers whether something comes back on it still
   */
  #renew(broken: KeyvRedis<string> | undefined, answers = broken?.isCluster() === true): void {
    if (this.#closed || this.#renewing || broken !== this.#current) return
    if (broken !== undefined && !this.#servers.replaceable) return
    this.#renewing = true
    const done = () => {
      this.#renewing = false
    }
    this.#reconnect(broken, answers).then(done, done)
  }

  /** What still answers, such as the rest of a cluster or a replica, goes on meanwhile. */
  async #reconnect(broken: KeyvRedis<string> | undefined, answers: boolean): Promise<void> {
    if (broken !== undefined && !answers) discard(clientOf(broken))
    // One that was replaced just now, and has to be again, is replaced ever less often.
    if (performance.now() - this.#renewedAt > 2 * longestPause) this.#pause = firstPause
    while (!this.#closed) {
      const pause = this.#pause
      this.#pause = Math.min(2 * pause, longestPause)
      if (answers) await rest(pause)
      const attempt = this.#open()
      if (!answers) this.#connection = attempt
      try {
        this.#adopt(await attempt)
        this.#connection = attempt
        this.#renewedAt = performance.now()
        if (broken !== undefined && answers) this.#finish(broken).catch(() => undefined)
        return
      } catch {
        await rest(pause)
      }
    }
  }

  /**
   * A connection. An attempt that takes long may lead nowhere while the next one would not, so from then on another one
   * is begun every second; the first that succeeds is taken.
   */
  #open(): Promise<KeyvRedis<string>> {
    return new Promise((resolve, reject) => {
      let underWay = 0
      let settled = false
      const settle = () => {
        settled = true
        clearInterval(timer)
      }
      const first = performance.now()
      const attempt = async () => {
        if (this.#closed && underWay > 0) return
        underWay++
        try {
          const redis = await withSpareErrors(() => this.#servers.open())
          if (settled && this.#servers.replaceable) discard(clientOf(redis))
          settle()
          resolve(redis)
        } catch (error) {
          // Those who wait are not kept for longer than one of them may be.
          const more = --underWay > 0 && !this.#closed && performance.now() - first < 0.9 * this.#timeout
          if (more || settled) return
          settle()
          reject(error)
        }
      }
      const timer = setInterval(attempt, attemptEvery).unref()
      attempt().catch(reject)
    })
  }

  #adopt(redis: KeyvRedis<string>): void {
    this.#current = redis
    const client = clientOf(redis)
    if (this.#heard.has(client)) return
    this.#heard.add(client)
    client.on('error', error => this.#onError(redis, error, !client.isOpen))
    client.on('node-error', error => this.#onError(redis, error, true))
    if (this.#closed && !this.#servers.close) this.#finish(redis).catch(() => undefined)
  }

  /** To node-redis, what can't be understood is no reply: each later one would go to the command before its own. */
  #onError(redis: KeyvRedis<string>, error: unknown, broken: boolean): void {
    if (isGarbled(error)) this.#giveUp(redis)
    else if (broken) this.#renew(redis)
  }

  /** Nothing of what comes on it can be believed any more. */
  #giveUp(redis: KeyvRedis<string>): void {
    discard(clientOf(redis))
    if (this.#servers.replaceable) this.#renew(redis, false)
    else this.#forget(redis)
  }

  /** Of a client that was given, which is to be opened again when it is next needed. */
  #forget(redis: KeyvRedis<string>): void {
    if (!this.#servers.replaceable && this.#current === redis) this.#current = this.#connection = undefined
  }

  async #finish(redis: KeyvRedis<string>): Promise<void> {
    const client = clientOf(redis)
    const closing = (async () => client.close())()
    await settleWithin(closing, this.#timeout, tooLate).catch(() => undefined)
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

function isTimeout(error: unknown): boolean {
  return codeOf(error) === 'ETIMEDOUT'
}

/**
 * A single client that is between two connections keeps commands in a queue, for later; of a Cluster and a pool it is only
 * known whether they are open, and KeyvRedis would open them.
 */
function isReady(redis: KeyvRedis<string>): boolean {
  const client = clientOf(redis)
  return client.isOpen && (!('isReady' in client) || client.isReady !== false)
}

/**
 * Redis repeats the arguments of a command that it does not know, and a session's id is among them; node-redis repeats a
 * URL that it can't use, and a password may be.
 */
function withoutContent(error: unknown): unknown {
  if (!(error instanceof Error)) return error
  const [safe, more] = error.message.split(', with args')
  if (more !== undefined) return new Error(safe)
  return 'input' in error || error.message.includes('://')
    ? new Error('the address and the options do not fit')
    : error
}

/** Without keeping the process alive. */
function rest(milliseconds: number): Promise<void> {
  return sleep(milliseconds, undefined, { ref: false })
}
