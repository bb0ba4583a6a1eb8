import { CallsInTurn, saving } from './calls-in-turn.ts'
import type { Data } from './change.ts'
import { Content } from './content.ts'
import { clearCookie, serializeCookie } from './cookies.ts'
import { tooSlow } from './deadline.ts'
import { Reads } from './draft.ts'
import { isDamaged } from './errors.ts'
import type { Flash } from './flash.ts'
import type { FormerSessions } from './former-sessions.ts'
import { Holds } from './holds.ts'
import type { Signer } from './keys.ts'
import { SentSessions } from './sent-sessions.ts'
import { alreadyCommitted, createSession, type RegenerateOptions, type Session } from './session.ts'
import type { Logger, Settings, StoreFailurePolicy } from './settings.ts'
import { Snapshot } from './snapshot.ts'
import {
  type CreateOptions,
  idOf,
  isSelfContained,
  type Loaded,
  type SessionChange,
  type SessionRecord,
  type SessionStore,
} from './store.ts'
import { isUnavailable, type Patience, type StoreCalls } from './store-calls.ts'
import { currentTime, elapsedTime, expiryOf, touchIsDue } from './timeouts.ts'
import {
  changedFirst,
  gone,
  type Known,
  knownFrom,
  lostEveryTime,
  runUpdate,
  type Updates,
} from './updates.ts'
import { assertMetadata, assertUserId, tooManySessions } from './user-sessions.ts'

/** What all requests of one `Sessions` share. */
export interface Engine {
  readonly store: SessionStore
  readonly calls: StoreCalls
  readonly settings: Settings
  readonly signer: Signer
  readonly updates: Updates
  /** Tokens of sessions that some request of this process is touching. */
  readonly touching: Set<string>
  readonly logger: Logger
  /** Whose sessions are taken over when their cookie comes. */
  readonly former: FormerSessions | undefined
}

/** What stands in the store as far as this request knows. */
interface Stored {
  readonly token: string
  readonly expiresAt: number
  /** Of the data that this request has seen; `undefined` if others may have changed them before its last write. */
  readonly version: string | undefined
}

/**
 * A session's way through one request, in the order in which it happens: find the cookie, load, hand out the
 * session, carry out what the handler asks for, commit, say what the response must carry. Framework adapters drive
 * it; `attachSession` of `@sojourn/core/http` does so for Node's responses.
 */
export class SessionRequest {
  readonly #engine: Engine
  readonly #sent: SentSessions
  readonly #content: Content = new Content(this)
  #session: Session | undefined

  #phase: 'begun' | 'open' | 'without' | 'committed' | 'failed' = 'begun'
  /** `null` for a session that is not stored. */
  #stored: Stored | null = null
  /** The content as loaded or last written. */
  #seen = Snapshot.empty
  #userId: string | undefined
  #createdAt: number | undefined
  #metadata: SessionRecord['metadata']
  #setCookie: string | undefined
  #ageChanged = false
  #rotated = false
  /** This request created the session, so that no other one can end it for its cookie. */
  #isNobodyElses = false
  /** Why the browser is to learn of the session's token or age when the response leaves, if it lives by then. */
  #untold: false | 'taken over' | 'changed' = false
  #looked = false
  readonly #holds: Holds
  readonly #calls = new CallsInTurn()
  /** Begins anew with each call of the handler's that succeeds, so that many of them may take their time. */
  #patience: Patience
  #loading: Promise<void> | undefined
  #committing: Promise<void> | undefined
  #failure: unknown
  readonly #onStoreFailure: StoreFailurePolicy
  /** Why this request goes on without its session, if it does. */
  #missing: unknown
  /** For framework adapters: answers with an error that nobody is there to catch, if there is no answer yet. */
  answerer: { raise(error: Error): void } | undefined

  constructor(engine: Engine, cookieHeader: string | undefined, onStoreFailure: StoreFailurePolicy) {
    this.#engine = engine
    this.#onStoreFailure = onStoreFailure
    this.#holds = new Holds(engine.store)
    this.#patience = engine.calls.patience()
    this.#sent = new SentSessions(engine, cookieHeader, this.#holds)
  }

  // --- load ---------------------------------------------------------------------------------------------------

  /** Loads the session that the cookie names, once; `undefined`, without a store call, if it names none. */
  load(): Promise<void> | undefined {
    if (this.#sent.isNone) this.#open()
    else this.#loading ??= this.#load()
    return this.#loading
  }

  async #load(): Promise<void> {
    try {
      const found = await this.#sent.find(this.#patience)
      if (found) {
        this.#adopt(found.token, found.loaded)
        this.#rotated = found.rotated
        this.#untold = found.takenOver && 'taken over'
      }
      this.#open()
    } catch (error) {
      if (this.#onStoreFailure === 'error' || !isUnavailable(error)) throw this.#failLoad(error)
      this.release()
      this.#missing = error
      this.#phase = 'without'
    }
  }

  #open(): void {
    if (this.#phase === 'begun') this.#phase = 'open'
  }

  /** A session that is damaged stays so: without its cookie, the visitor can sign in anew. */
  #failLoad(error: unknown): unknown {
    if (isDamaged(error)) this.#setCookie = clearCookie(this.#engine.settings.cookie)
    return this.#fail(error, 'begun')
  }

  #adopt(token: string, { record, version }: Loaded): void {
    this.#stored = { token, expiresAt: record.expiresAt, version }
    this.#userId = record.userId
    this.#createdAt = record.createdAt
    this.#metadata = record.metadata
    this.#seen = this.#content.adopt(record.data)
  }

  // --- what the handler sees ----------------------------------------------------------------------------------

  /** The session. Asking for it is "looking at it": the response then says `Vary: Cookie`. */
  get session(): Session {
    if (this.#phase === 'begun') throw this.#failure ?? notLoaded()
    this.#looked = true
    this.#session ??= createSession(this, this.#content.data)
    return this.#session
  }

  /** False before the load, and if it failed: then there is no session to ask for. */
  get isLoaded(): boolean {
    return this.#phase !== 'begun'
  }

  /** Whether its session is one of those. */
  isOf(engine: Engine): boolean {
    return this.#engine === engine
  }

  get looked(): boolean {
    return this.#looked
  }

  get id(): string | undefined {
    const { store } = this.#engine
    if (this.#stored === null || !store.supports.revocation) return undefined
    return idOf(store, this.#stored.token)
  }

  get isNew(): boolean {
    return this.#stored === null
  }

  get userId(): string | undefined {
    return this.#userId
  }

  get flash(): Flash {
    return this.#content.flash
  }

  setFlash(messages: unknown): void {
    // connect-flash does so to be sure that there are some.
    if (messages === this.#content.flash) return
    this.assertOpen()
    this.#content.flash = messages
  }

  get maxAge(): number | undefined {
    return this.#content.maxAge
  }

  set maxAge(value: number | undefined) {
    this.assertOpen()
    this.#content.maxAge = value
    this.#ageChanged = true
  }

  /** False once the response has begun: what is changed then would be lost. */
  get isOpen(): boolean {
    return this.#phase === 'open'
  }

  /**
   * True if the store is down and the request is served nevertheless, as `onStoreFailure: 'anonymous'` asks for: with
   * an empty session that can't be changed.
   */
  get isWithout(): boolean {
    return this.#phase === 'without'
  }

  /**
   * @throws SessionError ERR_SESSION_COMMITTED once the response has begun, and ERR_SESSION_STORE_UNAVAILABLE if the
   * request is served without its session
   */
  assertOpen(): void {
    if (this.isWithout) throw this.#missing
    if (!this.isOpen) throw alreadyCommitted()
  }

  regenerate({ userId = this.#userId, metadata }: RegenerateOptions): Promise<void> {
    if (userId !== undefined) assertUserId(userId)
    if (metadata !== undefined) assertMetadata(metadata)
    return this.#inTurn('regenerate', () => this.#regenerate(userId, metadata))
  }

  /**
   * What express-session's `regenerate(callback)` does, and those who use it rely on: the session ends, another one
   * begins, empty. The old object keeps its data, for those who carry some over.
   */
  renew(): Promise<void> {
    return this.#inTurn('regenerate', async () => {
      await this.#end()
      this.#content.renew()
      this.#session = undefined
    })
  }

  destroy(): Promise<void> {
    return this.#inTurn('destroy', async () => {
      await this.#end()
      this.#content.replace({})
      this.#calls.forgive()
    })
  }

  save(): Promise<void> {
    return this.#inTurn(saving, async () => void (await this.#write()))
  }

  update(change: (data: Data) => unknown): Promise<unknown> {
    if (typeof change !== 'function')
      throw new TypeError('session.update needs a function that changes the data it gets.')
    return this.#inTurn(change, () => this.#update(change))
  }

  /** A session's error that a callback threw, with nobody above it: the request is answered, and the process lives. */
  raise(error: Error): void {
    if (this.answerer !== undefined) this.answerer.raise(error)
    else process.emitWarning(error)
  }

  /** A call that comes too late is refused as the other errors come: to whoever waits for it, and to the log. */
  #inTurn<T>(call: unknown, work: () => Promise<T>): Promise<T> {
    try {
      this.assertOpen()
    } catch (error) {
      // Whoever does not look at the error must not answer as if it had been done.
      if (this.isWithout) this.#failure = error
      const refused = Promise.reject(error)
      refused.catch(() => this.#engine.logger.error(`Session call refused: ${messageOf(error)}`))
      return refused
    }
    return this.#calls.run(call, async () => {
      const value = await work()
      this.#patience = this.#engine.calls.patience()
      return value
    })
  }

  // --- the handler's calls ------------------------------------------------------------------------------------

  /** The old session ends first: a crash in between signs the user out, never in. */
  async #regenerate(userId: string | undefined, noted: SessionRecord['metadata']): Promise<void> {
    this.#content.checked()
    const { store } = this.#engine
    const before = { token: this.#stored?.token, userId: this.#userId, createdAt: this.#createdAt }
    const signsIn = userId !== before.userId
    const metadata = noted ?? (signsIn ? undefined : this.#metadata)
    if (signsIn && userId !== undefined) await this.#assertRoom(userId)
    const since = signsIn ? undefined : before.createdAt
    if (this.#stored !== null && store.supports.revocation) {
      if (isSelfContained(store)) await store.assertFits(this.#record(userId, since, metadata))
      await this.#endStored(this.#stored.token, signsIn)
    }
    await this.#sent.endAll(this.#patience)
    const replaces = before.token !== undefined &&
      before.userId !== undefined && { replaces: { token: before.token, userId: before.userId } }
    await this.#create(userId, since, metadata, { ...replaces })
  }

  /** Looks before the session of now ends: who is refused keeps it. What counts is decided by the store. */
  async #assertRoom(userId: string): Promise<void> {
    const { calls, settings } = this.#engine
    const { maxPerUser, onMaxPerUser } = settings
    if (maxPerUser === 0 || onMaxPerUser !== 'refuse') return
    if (await calls.hasSessions(userId, maxPerUser, this.#patience)) throw tooManySessions()
  }

  /** Ends the stored session and takes over its data as they stood at its end, under this request's changes. */
  async #endStored(token: string, signsIn: boolean): Promise<void> {
    const { calls } = this.#engine
    const deadline = elapsedTime() + this.#patience.left
    let stands = this.#known() ?? knownFrom(await calls.load(token, this.#patience))
    while (stands !== null) {
      const { version } = stands
      const change = { expiresAt: 0, ...(version !== undefined && { expectedVersion: version }) }
      if (this.#engine.settings.conflict === 'reject') this.#assertSeen(stands.state)
      const outcome = await calls.update(token, change, this.#patience)
      if (outcome.status === 'written') break
      stands = outcome.status === 'gone' ? null : knownFrom(outcome.current)
      if (stands !== null && elapsedTime() >= deadline) throw lostEveryTime()
    }
    // It was ended elsewhere: a fresh sign-in may begin anew, but nothing of the dead session comes along. Anything else
    // this request may still try finds it gone as well, and creates nothing.
    if (stands === null && !signsIn) throw gone()
    this.#stored = null
    this.#userId = undefined
    this.#sent.forget(token)
    this.#content.rebase(this.#seen, stands?.state ?? Snapshot.empty)
    this.#seen = Snapshot.empty
  }

  /** For `conflict: 'reject'`: of every key that this request changed, nobody else may have changed the value. */
  #assertSeen(stands: Snapshot): void {
    const { set = {}, remove = [] } = this.#seen.changeTo(this.#content.taken()) ?? {}
    for (const key of [...Object.keys(set), ...remove]) {
      if (!stands.isSame(this.#seen, key)) throw changedFirst()
    }
  }

  /** Ends the session; what is set from now on begins another one. */
  async #end(): Promise<void> {
    if (this.#stored !== null) this.#sent.add(this.#stored.token)
    await this.#sent.endAll(this.#patience)
    this.#stored = null
    this.#seen = Snapshot.empty
    this.#userId = undefined
    this.#createdAt = undefined
    this.#untold = false
    this.#isNobodyElses = false
    this.#setCookie = this.#sent.hasOurs ? clearCookie(this.#engine.settings.cookie) : undefined
  }

  async #update(change: (data: Data) => unknown): Promise<unknown> {
    const { store, settings, updates } = this.#engine
    // The policy holds for what the request changed so far; `update` itself always sees what stands.
    if (settings.conflict === 'reject') await this.#write()
    const before = this.#content.taken()
    const own = this.#seen.changeTo(before) ?? {}
    const deadline = elapsedTime() + this.#patience.left
    if (this.#stored === null || !store.supports.revocation || isSelfContained(store)) {
      const { state, value } = await runUpdate(
        { own, change, deadline },
        this.#seen,
        new Reads(),
        elapsedTime(),
      )
      this.#content.rebase(before, state)
      try {
        if (!(await this.#write())) await this.#assertLives()
      } catch (error) {
        this.#content.rebase(state, before)
        throw error
      }
      return value
    }
    const { token, expiresAt, version } = this.#stored
    const patience = this.#patience
    if (patience.left <= 0) throw tooSlow()
    const result = await updates
      .run(token, { seen: { state: this.#seen, version }, own, change, deadline })
      .finally(() => {
        const left = deadline - elapsedTime()
        // A timer may be a moment early.
        patience.left = left < 2 ? 0 : left
      })
    // Of the rest, this request may know better: what it was told last.
    const state = result.known === 'all' ? result.state : this.#seen.taking(result.known, result.state)
    this.#content.rebase(before, state)
    this.#acknowledge(token, result.version, expiresAt, state)
    return result.value
  }

  /** For an update that changes nothing: it saw what stands, or fails. */
  async #assertLives(): Promise<void> {
    const { store, calls } = this.#engine
    if (this.#stored === null || !store.supports.revocation) return
    if ((await calls.load(this.#stored.token, this.#patience)) === null) throw gone()
  }

  // --- commit -------------------------------------------------------------------------------------------------

  /**
   * Stores what the request did. From now on the session can't change. `undefined`, without a store call, if there
   * is nothing to store. Repeated calls wait for the first.
   */
  commit(): Promise<void> | undefined {
    // The answer began while the session was loading: what is changed then comes too late.
    if (this.#phase === 'begun' && this.#failure === undefined) this.#phase = 'committed'
    if (this.#phase !== 'open') return this.#committing
    this.#phase = 'committed'
    const now = this.#calls.any ? undefined : this.#takenIfFit()
    if (now !== undefined && this.#seen.equals(now) && this.#nextExpiry() === undefined) return this.release()
    this.#committing = this.#commit(now)
    return this.#committing
  }

  async #commit(now: Snapshot | undefined): Promise<void> {
    try {
      await this.#calls.done()
      if (!(await this.#write(now))) await this.#touch()
    } catch (error) {
      throw this.#fail(error, 'failed')
    } finally {
      this.#committing = undefined
      this.release()
    }
  }

  /** The content, without a look at it if nobody had one; `undefined` if it can't be stored, as the write will tell. */
  #takenIfFit(): Snapshot | undefined {
    if (!this.#looked) return this.#seen
    try {
      return this.#content.taken()
    } catch {
      return undefined
    }
  }

  /** Writes what changed since the last write, if anything did: whether it did. With the commit's, the expiry moves as well. */
  async #write(now: Snapshot = this.#content.taken()): Promise<boolean> {
    if (this.#stored === null) {
      if (!now.isEmpty) await this.#create(this.#userId, this.#createdAt)
      return !now.isEmpty
    }
    const { token, expiresAt } = this.#stored
    const change = this.#seen.changeTo(now)
    if (change === null) return false
    const next = this.isOpen ? undefined : this.#nextExpiry()
    const full = this.#guarded({ ...change, ...(next !== undefined && { expiresAt: next }) })
    const outcome = await this.#engine.calls.update(token, full, this.#patience)
    if (outcome.status === 'gone') throw gone()
    if (outcome.status === 'conflict') throw changedFirst()
    this.#acknowledge(outcome.token, undefined, next ?? expiresAt, now, !this.isOpen)
    return true
  }

  /**
   * Moves the expiry if that is due. Nobody loses anything if it can't be: the session ended, or the store is full or
   * down; the next request tries again. But of a change that was acknowledged the browser must learn.
   */
  async #touch(): Promise<void> {
    const next = this.#nextExpiry()
    if (this.#stored === null || next === undefined) return
    const { token } = this.#stored
    const { calls, touching } = this.#engine
    touching.add(token)
    try {
      const outcome = await calls.update(token, { expiresAt: next }, this.#patience)
      if (outcome.status === 'written') this.#acknowledge(outcome.token, undefined, next, this.#seen, true)
    } catch (error) {
      if (!isUnavailable(error) || this.#untold === 'changed') throw error
    } finally {
      touching.delete(token)
    }
  }

  /** For `conflict: 'reject'`: every key that the change names must have the value that was seen. */
  #guarded(change: SessionChange): SessionChange {
    if (this.#engine.settings.conflict !== 'reject') return change
    const expectedValues: Data = Object.create(null)
    for (const key of [...Object.keys(change.set ?? {}), ...(change.remove ?? [])])
      expectedValues[key] = this.#seen.value(key)
    return { ...change, expectedValues }
  }

  async #create(
    userId: string | undefined,
    since: number | undefined,
    metadata?: SessionRecord['metadata'],
    options?: CreateOptions,
  ): Promise<void> {
    const { calls, settings } = this.#engine
    const record = this.#record(userId, since, metadata)
    const { createdAt, expiresAt } = record
    const state = Snapshot.of(record.data)
    const { maxPerUser, onMaxPerUser, absoluteTimeout } = settings
    const full = this.#isListed(userId)
      ? { ...options, lastExpiry: createdAt + absoluteTimeout, maxPerUser, onMaxPerUser }
      : options
    const { token, version } = await calls.create(record, this.#patience, full)
    this.#userId = userId
    this.#createdAt = createdAt
    this.#metadata = record.metadata
    this.#acknowledge(token, version, expiresAt, state)
  }

  /** What is to be created. */
  #record(
    userId: string | undefined,
    since: number | undefined,
    metadata: SessionRecord['metadata'],
  ): SessionRecord {
    const data = this.#content.checked()
    const now = currentTime()
    const createdAt = since ?? now
    const expiresAt = expiryOf(createdAt, now, this.#engine.settings)
    return {
      ...(userId !== undefined && { userId }),
      ...(this.#isListed(userId) && metadata !== undefined && { metadata }),
      data,
      createdAt,
      expiresAt,
    }
  }

  #isListed(userId: string | undefined): boolean {
    return userId !== undefined && this.#engine.store.supports.userIndex
  }

  /**
   * A write is acknowledged: `seen` stands now, and perhaps the browser has to learn of it.
   *
   * @param last whether the response leaves now: an earlier write must not set a cookie, which a sign-in may have
   * replaced by then
   */
  #acknowledge(
    token: string,
    version: string | undefined,
    expiresAt: number,
    seen: Snapshot,
    last = false,
  ): void {
    const before = this.#stored
    this.#isNobodyElses ||= before === null
    const outlives = this.#content.maxAge !== undefined || this.#engine.settings.persistent
    const prolonged = before !== null && expiresAt > before.expiresAt
    const again = last && (this.#rotated || this.#untold || (outlives && prolonged))
    if (token !== before?.token || this.#ageChanged || again) {
      // Another request may end it until the response leaves, and set its own cookie.
      const later = !last && !this.#isNobodyElses && this.#engine.store.supports.revocation
      this.#untold = later && 'changed'
      if (!later) this.#setCookie = this.#serialize(token, expiresAt)
      this.#ageChanged = false
    }
    if (token !== before?.token) this.#holds.hold(token)
    this.#stored = { token, expiresAt, version }
    this.#seen = seen
  }

  #serialize(token: string, expiresAt: number): string {
    const { settings, signer } = this.#engine
    const life = settings.persistent ? expiresAt - currentTime() : undefined
    return serializeCookie(settings.cookie, signer.sign(token), this.#content.maxAge ?? life)
  }

  // --- what the response carries ------------------------------------------------------------------------------

  /** Why the session could not be loaded or stored, if so: then no 2xx or 3xx may leave. */
  get failure(): unknown {
    return this.#failure
  }

  /** The Set-Cookie header for what this request did, if it did anything that the browser must know. */
  get setCookie(): string | undefined {
    return this.#phase === 'failed' ? undefined : this.#setCookie
  }

  /** The request no longer uses the session: the store may evict it. */
  release(): undefined {
    this.#holds.release()
  }

  // --- helpers ------------------------------------------------------------------------------------------------

  /** What stands in the store, if this request knows it exactly. */
  #known(): Known | null {
    const version = this.#stored?.version
    return version === undefined ? null : { state: this.#seen, version }
  }

  /** What the expiry is to become, if moving it is due and no other request of this process is doing so. */
  #nextExpiry(): number | undefined {
    const { settings, store, touching } = this.#engine
    if (this.#stored === null) return undefined
    const now = currentTime()
    const createdAt = this.#createdAt ?? now
    const next = expiryOf(createdAt, now, settings)
    if (this.#untold) return next
    if (touching.has(this.#stored.token)) return undefined
    // Where use prolongs it no more, no touch would ever be due to sign the cookie anew.
    const lastChance = this.#rotated && next === createdAt + settings.absoluteTimeout
    return lastChance || touchIsDue(this.#stored.expiresAt, next, settings, store.supports.ownClock === true)
      ? next
      : undefined
  }

  #fail(error: unknown, phase: 'begun' | 'failed'): unknown {
    this.#phase = phase
    this.#failure = error
    this.release()
    return error
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

function notLoaded(): TypeError {
  return new TypeError('The session is not loaded yet: await load() first.')
}
