import { type Data, define } from './change.ts'
import { createFlash, type Flash, keptMessages, putMessages } from './flash.ts'
import { assertJson } from './json.ts'
import type { SessionRequest } from './request.ts'
import { createData, isReserved } from './session.ts'
import { Snapshot } from './snapshot.ts'

/**
 * What a session holds during one request: the data of its user, and beside them messages and the cookie's age, which
 * are stored under the names of their controls.
 */
export class Content {
  /** What the handler's proxy guards. */
  #data: Data
  readonly #request: SessionRequest
  #flash: Flash | undefined
  #maxAge: number | undefined

  constructor(request: SessionRequest) {
    this.#request = request
    this.#data = createData()
  }

  get data(): Data {
    return this.#data
  }

  get flash(): Flash {
    this.#flash ??= createFlash(undefined, () => this.#request.assertOpen())
    return this.#flash
  }

  /** Other messages from now on. Whoever has the old object keeps its messages, as connect-flash does. */
  set flash(messages: unknown) {
    if (messages !== this.#flash) this.#flash = createFlash(messages, () => this.#request.assertOpen())
  }

  get maxAge(): number | undefined {
    return this.#maxAge
  }

  set maxAge(value: unknown) {
    if (value !== undefined && value !== null && !isAge(value)) {
      throw new TypeError('session.cookie.maxAge must be a number of milliseconds above 0, or undefined.')
    }
    this.#maxAge = value ?? undefined
  }

  /** Becomes empty. Whoever has the old data keeps them; they are not the session's any more. */
  renew(): void {
    this.#data = createData()
    this.#flash = undefined
    this.#maxAge = undefined
  }

  /** Becomes what is stored. */
  replace(stored: Readonly<Data>): void {
    for (const key of Object.keys(this.data)) delete this.data[key]
    for (const key of Object.keys(stored)) if (!isReserved(key)) define(this.data, key, stored[key])
    if (this.#flash !== undefined || stored.flash !== undefined) putMessages(this.flash, stored.flash ?? {})
    this.#maxAge = maxAgeOf(stored.cookie)
  }

  /** Becomes what is stored, and so is fit for that: as `taken` shows it. */
  adopt(stored: Readonly<Data>): Snapshot {
    this.replace(stored)
    return this.#flash === undefined && this.#maxAge === undefined ? Snapshot.of(this.#data) : this.taken()
  }

  /** Becomes `next` where that differs from `before`, but for what the handler changed since the content was `before`. */
  rebase(before: Snapshot, next: Snapshot): void {
    const now = this.taken()
    const { set = {}, remove = [] } = before.changeTo(next) ?? {}
    for (const key of [...remove, ...Object.keys(set)]) {
      if (now.isSame(before, key)) this.#put(key, set[key])
    }
  }

  #put(key: string, value: unknown): void {
    if (key === 'flash') putMessages(this.flash, value ?? {})
    else if (key === 'cookie') this.#maxAge = maxAgeOf(value)
    else if (isReserved(key)) return
    else if (value === undefined) delete this.data[key]
    else define(this.data, key, value)
  }

  /** As it is to be stored. @throws SessionError ERR_SESSION_VALUE if it holds what JSON can't */
  checked(): Data {
    const data: Data = {}
    this.#visit((key, value) => define(data, key, value))
    return data
  }

  /** As it is now. @throws SessionError ERR_SESSION_VALUE if it holds what JSON can't */
  taken(): Snapshot {
    const texts = new Map<string, string>()
    this.#visit((key, value) => texts.set(key, JSON.stringify(value)))
    return new Snapshot(texts)
  }

  /** Shows each key that is to be stored. Setting a key to `undefined` is a way to remove it. */
  #visit(see: (key: string, value: unknown) => void): void {
    for (const key of Object.keys(this.data)) {
      const value = this.data[key]
      if (value === undefined) {
        delete this.data[key]
        continue
      }
      assertJson(value, key)
      see(key, value)
    }
    const messages = this.#flash && keptMessages(this.#flash)
    if (messages !== undefined) {
      assertJson(messages, 'flash')
      see('flash', messages)
    }
    if (this.#maxAge !== undefined) see('cookie', { maxAge: this.#maxAge })
  }
}

/** The keys of messages and of the cookie's age, which stand beside the data of the session's user. */
export function ownsKey(key: string): boolean {
  return key === 'flash' || key === 'cookie'
}

/** What `session.update(fn)` made of the data must fit a session as well. */
export function assertStorable(data: Data): void {
  for (const key of Object.keys(data)) {
    if (data[key] === undefined) delete data[key]
    else assertJson(data[key], key)
  }
}

function maxAgeOf(cookie: unknown): number | undefined {
  const age = typeof cookie === 'object' && cookie !== null && 'maxAge' in cookie ? cookie.maxAge : undefined
  return isAge(age) ? age : undefined
}

function isAge(value: unknown): value is number {
  return typeof value === 'number' && Number.isFinite(value) && value > 0
}
