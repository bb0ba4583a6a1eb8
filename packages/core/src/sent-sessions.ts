import { isDamaged } from './errors.ts'
import { endFormer, formerIdsIn, type Sides, takeOver } from './former-sessions.ts'
import type { Holds } from './holds.ts'
import type { Verified } from './keys.ts'
import type { Engine } from './request.ts'
import { sentTokens } from './sent-tokens.ts'
import { evicts, type Loaded } from './store.ts'
import type { Patience } from './store-calls.ts'
import { currentTime } from './timeouts.ts'

/** A session that lives. */
export interface FoundSession {
  readonly token: string
  readonly loaded: Loaded
  /** Its cookie is to be signed anew. */
  readonly rotated: boolean
  /** From another library, by this request or another one: the browser does not know its token yet. */
  readonly takenOver: boolean
}

/** What stands under a token that the browser named. */
interface Found {
  readonly token: string
  readonly loaded: Loaded | null
  readonly rotated?: boolean
  readonly damaged?: unknown
}

/** The sessions that a browser named in one request: by cookies of ours, and of the library whose sessions are taken over. */
export class SentSessions {
  readonly #engine: Engine
  readonly #holds: Holds
  /** The verified tokens, in an order that does not depend on the header's. */
  readonly #sent: readonly Verified[]
  /** The ids from another library, of sessions that this request has not ended. */
  #formerIds: readonly string[]
  /**
   * Of the sessions that the tokens name, those that this request has not ended: also one that it did not find, which may have
   * expired by the clock of this process alone.
   */
  #named: string[]

  constructor(engine: Engine, cookieHeader: string | undefined, holds: Holds) {
    this.#engine = engine
    this.#holds = holds
    this.#sent = sentTokens(engine, cookieHeader)
    this.#formerIds = formerIdsIn(engine.former, cookieHeader)
    this.#named = this.#sent.map(({ token }) => token)
  }

  get isNone(): boolean {
    return this.#sent.length === 0 && this.#formerIds.length === 0
  }

  /** Whether a cookie of ours came. */
  get hasOurs(): boolean {
    return this.#sent.length > 0
  }

  /**
   * The first that lives. One that is damaged is an error only if no other one does.
   *
   * @throws SessionError ERR_SESSION_CORRUPT, or as the store fails
   */
  async find(patience: Patience): Promise<FoundSession | undefined> {
    const ours = await all(this.#sent.map(sent => this.#load(sent, patience)))
    const own = this.#firstLiving(ours)
    if (own) return { ...own, takenOver: false }
    const former = await this.#loadFormer(patience)
    const takenOver = this.#firstLiving(former)
    if (takenOver) return { ...takenOver, takenOver: true }
    for (const { damaged } of [...ours, ...former]) if (damaged !== undefined) throw damaged
    return undefined
  }

  /** What a second cookie of this name named must not come up next. */
  async endAll(patience: Patience): Promise<void> {
    const sides = this.#sides()
    const ending = this.#named.map(token => this.#engine.calls.destroy(token, patience))
    if (sides) ending.push(...this.#formerIds.map(id => endFormer(sides, id, patience)))
    await Promise.all(ending)
    this.#named = []
    this.#formerIds = []
  }

  /** Another one that is to be ended. */
  add(token: string): void {
    if (!this.#named.includes(token)) this.#named.push(token)
  }

  /** It has been ended. */
  forget(token: string): void {
    this.#named = this.#named.filter(each => each !== token)
  }

  async #load({ token, rotated }: Verified, patience: Patience): Promise<Found> {
    this.#holds.hold(token)
    try {
      return { token, rotated, loaded: await this.#engine.calls.load(token, patience) }
    } catch (error) {
      if (!isDamaged(error)) throw error
      return { token, loaded: null, damaged: error }
    }
  }

  /** Who has a cookie of ours was here: where a claim may be gone by then, no former session must come up instead. */
  async #loadFormer(patience: Patience): Promise<Found[]> {
    const sides = this.#sides()
    if (sides === undefined || (this.hasOurs && !sides.lasting)) return []
    const taken = await Promise.all(this.#formerIds.map(id => takeOver(sides, id, patience)))
    const found = taken.filter(each => each !== null)
    for (const { token } of found) this.#holds.hold(token)
    return found
  }

  /** The store keeps `expiresAt`; this ends sessions at once when `absoluteTimeout` was shortened. */
  #firstLiving(found: readonly Found[]): Omit<FoundSession, 'takenOver'> | undefined {
    const { absoluteTimeout } = this.#engine.settings
    for (const { token, loaded, rotated = false } of found)
      if (loaded !== null && currentTime() < loaded.record.createdAt + absoluteTimeout)
        return { token, loaded, rotated }
    return undefined
  }

  /** Of a take-over, if there may be one. */
  #sides(): Sides | undefined {
    const { former, calls, settings, store } = this.#engine
    return former && { former, calls, settings, lasting: !evicts(store) }
  }
}

/** `Promise.all`, which costs much for what is nearly always one. */
function all<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const [only] = promises
  return only !== undefined && promises.length === 1 ? only.then(value => [value]) : Promise.all(promises)
}
