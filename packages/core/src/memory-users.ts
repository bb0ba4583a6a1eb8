import type { CreateOptions } from './store.ts'
import { gone } from './updates.ts'
import { tooManySessions } from './user-sessions.ts'

/** Milliseconds for which it is known that all sessions of a user were ended: longer than any request takes. */
const remembered = 60_000

interface User {
  /** Tokens, with the number of their sign-in. */
  readonly tokens: Map<string, number>
  /** When all were ended, by `performance.now()`. */
  endedAt: number
}

/** Which sessions of a memory store are whose, in the order of the sign-ins. Each call is one step for all others. */
export class MemoryUsers {
  readonly #users = new Map<string, User>()
  readonly #isLive: (token: string) => boolean
  #signIns = 0

  constructor(isLive: (token: string) => boolean) {
    this.#isLive = isLive
  }

  /**
   * Adds a session; those that must end for it.
   *
   * @throws SessionError ERR_SESSION_LIMIT, ERR_SESSION_GONE
   */
  add(userId: string, token: string, options: CreateOptions): string[] {
    const { replaces, maxPerUser = 0, onMaxPerUser } = options
    const user = this.#users.get(userId) ?? { tokens: new Map(), endedAt: Number.NEGATIVE_INFINITY }
    let place = this.#signIns++
    let ended: string[] = []
    if (replaces !== undefined && replaces.userId !== userId) this.remove(replaces.userId, replaces.token)
    const replaced = replaces?.userId === userId ? user.tokens.get(replaces.token) : undefined
    if (replaces !== undefined && replaced !== undefined) {
      place = replaced
      user.tokens.delete(replaces.token)
    } else {
      if (replaces?.userId === userId && performance.now() - user.endedAt < remembered) throw gone()
      const live = [...user.tokens].filter(([each]) => this.#isLive(each)).sort(([, a], [, b]) => a - b)
      const surplus = maxPerUser > 0 ? live.length + 1 - maxPerUser : 0
      if (surplus > 0 && onMaxPerUser === 'refuse') throw tooManySessions()
      ended = live.slice(0, Math.max(0, surplus)).map(([each]) => each)
    }
    for (const each of ended) user.tokens.delete(each)
    user.tokens.set(token, place)
    this.#users.set(userId, user)
    return ended
  }

  remove(userId: string, token: string): void {
    this.#users.get(userId)?.tokens.delete(token)
  }

  /** Of the user's sessions, those that live. */
  live(userId: string): string[] {
    return [...(this.#users.get(userId)?.tokens.keys() ?? [])].filter(this.#isLive)
  }

  /** None of the sessions that were there go on under another token. */
  noteEnd(userId: string): void {
    const user = this.#users.get(userId)
    if (user === undefined) return
    user.endedAt = performance.now()
    for (const token of user.tokens.keys()) if (!this.#isLive(token)) user.tokens.delete(token)
  }

  /** Drops what is gone. */
  sweep(): void {
    for (const [userId, { tokens, endedAt }] of this.#users) {
      for (const token of tokens.keys()) if (!this.#isLive(token)) tokens.delete(token)
      if (tokens.size === 0 && performance.now() - endedAt >= remembered) this.#users.delete(userId)
    }
  }
}
