import { createHash } from 'node:crypto'
import type { CreateOptions } from '@sojourn/core'
import { gone, handleOf, isSessionError, newId, tooManySessions } from '@sojourn/core/store-kit'
import type { Link } from './link.ts'
import type { RedisAdapter } from './redis-adapter.ts'
import { Script } from './script.ts'
import { redisUnavailable } from './trouble.ts'
import { addScript, dropScript, markScript, pageScript } from './user-scripts.ts'

/** What the index of a user says of one session. */
export interface IndexEntry {
  readonly handle: string
  readonly token: string
  /** In ms of its server's clock: until then, it may be a sign-in under way. */
  readonly settled: number
  /** Counts the sign-ins of the user. */
  readonly number: number
}

/** Some entries, and when that was by the clock of their server. */
interface Page {
  readonly now: number
  readonly entries: IndexEntry[]
}

/** Least ms that a sign-in may take from its entry to its session, whatever `timeout` is. */
const longestSignIn = 60_000
/** Ms that an index is kept if nobody said how long its sessions may live. */
const longestLife = 400 * 24 * 3_600_000
/** Entries that a sign-in looks at. */
const swept = 16
const pageSize = 500

const add = new Script(addScript)
const drop = new Script(dropScript)
const mark = new Script(markScript)
const page = new Script(pageScript)

/** Which sessions are whose: a hash for each user. See docs/decisions/0030. */
export class RedisUserIndex {
  readonly #link: Link
  readonly #adapter: RedisAdapter
  readonly #keyOf: (name: string) => string

  /** @param keyOf the key of a session's token, or of anything else */
  constructor(link: Link, adapter: RedisAdapter, keyOf: (name: string) => string) {
    this.#link = link
    this.#adapter = adapter
    this.#keyOf = keyOf
  }

  /** Ms after which a sign-in that has not created its session never will. */
  get #patience(): number {
    return Math.max(longestSignIn, 2 * this.#link.longestWay)
  }

  /**
   * Adds the entry of a session that is about to be created.
   *
   * @param life ms that the session is to live at first
   * @throws SessionError ERR_SESSION_LIMIT, ERR_SESSION_GONE
   */
  async add(userId: string, token: string, life: number, options: CreateOptions): Promise<void> {
    const { replaces, maxPerUser = 0, onMaxPerUser } = options
    const isOwn = replaces?.userId === userId
    const others =
      replaces === undefined || isOwn ? undefined : this.drop(replaces.userId, [handleOf(replaces.token)])
    const begun = performance.now()
    for (let room: string[] = []; ; ) {
      const answer = await this.#run(add, userId, [
        handleOf(token),
        token,
        String(Math.ceil(Math.min(Math.max(0, life), this.#patience))),
        lifeOf(options),
        isOwn ? handleOf(replaces.token) : '',
        String(maxPerUser),
        String(this.#patience),
        String(swept),
        ...room,
      ])
      const [status, now, fields] = Array.isArray(answer) ? answer : []
      if (status === 'gone') throw gone()
      const found = { now: Number(now), entries: entriesFrom(fields) }
      if (status === 'added') {
        this.#sweepInBackground(userId, found)
        return others
      }
      // Others were faster each time.
      if (performance.now() - begun > this.#link.longestWay) throw redisUnavailable('timeout', this.#link.at)
      room = await this.#makeRoom(found, maxPerUser, onMaxPerUser === 'refuse')
    }
  }

  /** Removes entries. Where that fails, they are dropped by a later look: what they stood for has ended. */
  async drop(userId: string, handles: readonly string[]): Promise<void> {
    if (handles.length === 0) return
    await this.#run(drop, userId, [String(this.#patience), ...handles]).catch(() => undefined)
  }

  /** All entries, each once. */
  async *pages(userId: string): AsyncGenerator<Page, void> {
    const seen = new Set<string>()
    for (let cursor: unknown; cursor !== '0'; ) {
      const answer = await this.#run(page, userId, [String(cursor ?? 0), String(pageSize)])
      const [now, next, fields] = Array.isArray(answer) ? answer : []
      cursor = String(next ?? 0)
      // A server that makes its hash larger meanwhile may show some twice.
      const entries = entriesFrom(fields).filter(({ handle }) => !seen.has(handle))
      for (const { handle } of entries) seen.add(handle)
      yield { now: Number(now), entries }
    }
  }

  /** Ends all sessions but those named; how many that were. */
  async endAll(userId: string, except: readonly string[]): Promise<number> {
    const last = await this.#run(mark, userId, except.map(handleOf))
    if (typeof last !== 'number') return 0
    let ended = 0
    for await (const { entries } of this.pages(userId)) {
      const theirs = entries.filter(({ number }) => number <= last)
      ended += await this.#end(theirs)
      await this.drop(
        userId,
        theirs.map(({ handle }) => handle),
      )
    }
    return ended
  }

  /**
   * Does what is done with the sessions of a user, but for ending some, with a user who has none; leaves nothing.
   *
   * @throws SessionError ERR_SESSION_STORE_UNAVAILABLE
   */
  async tryOut(userId: string): Promise<void> {
    const [token, next] = [newId(), newId()]
    const life = { lastExpiry: Date.now() + longestSignIn }
    // They arrive in this order; to wait for each answer would take too long on a slow network.
    await Promise.all([
      this.add(userId, token, 0, life),
      this.add(userId, next, 0, { ...life, maxPerUser: 1, onMaxPerUser: 'refuse' }).catch(unlessUnavailable),
      this.add(userId, next, 0, { ...life, replaces: { token, userId } }),
      this.#run(page, userId, ['0', '1']),
      this.#run(drop, userId, ['0', ...[token, next].map(handleOf)]),
    ])
  }

  /** Those of some entries whose sessions are gone, where others stand. */
  async #goneOf({ now, entries }: Page): Promise<Set<IndexEntry>> {
    const stand = await Promise.all(entries.map(({ token }) => this.#adapter.stands(this.#keyOf(token))))
    return new Set(entries.filter(({ settled }, at) => !stand[at] && settled <= now))
  }

  /** Handles to drop, so that there is room for one more. */
  async #makeRoom(full: Page, maxPerUser: number, refuses: boolean): Promise<string[]> {
    const dead = await this.#goneOf(full)
    const alive = full.entries.filter(entry => !dead.has(entry)).sort((a, b) => a.number - b.number)
    const surplus = Math.max(0, alive.length + 1 - maxPerUser)
    if (surplus > 0 && refuses) throw tooManySessions()
    const oldest = alive.slice(0, surplus)
    await this.#end(oldest)
    return [...dead, ...oldest].map(({ handle }) => handle)
  }

  /** Ends sessions, also those that are about to be created; how many there were. */
  async #end(entries: readonly IndexEntry[]): Promise<number> {
    const heads = await Promise.all(
      entries.map(({ token }) => this.#adapter.end(this.#keyOf(token), this.#patience)),
    )
    return heads.filter(head => head !== undefined).length
  }

  #sweepInBackground(userId: string, some: Page): void {
    this.#goneOf(some)
      .then(dead =>
        this.drop(
          userId,
          [...dead].map(({ handle }) => handle),
        ),
      )
      .catch(() => undefined)
  }

  #run(script: Script, userId: string, values: string[]): Promise<unknown> {
    // No id has a colon.
    const key = this.#keyOf(`user:${createHash('sha256').update(userId).digest('base64url')}`)
    return this.#link.run(redis => script.run(redis, key, values))
  }
}

function unlessUnavailable(error: unknown): void {
  if (!isSessionError(error) || error.code === 'ERR_SESSION_STORE_UNAVAILABLE') throw error
}

function lifeOf({ lastExpiry }: CreateOptions): string {
  const life = lastExpiry === undefined ? longestLife : lastExpiry - Date.now()
  return String(Math.max(1, Math.ceil(life)))
}

/** Of a list of fields and values; what else is in the hash has names that no handle has. */
function entriesFrom(fields: unknown): IndexEntry[] {
  if (!Array.isArray(fields)) return []
  const entries: IndexEntry[] = []
  for (let at = 0; at < fields.length; at += 2) {
    const [token, settled, number] = String(fields[at + 1]).split(' ')
    if (token !== undefined && number !== undefined)
      entries.push({ handle: String(fields[at]), token, settled: Number(settled), number: Number(number) })
  }
  return entries
}
