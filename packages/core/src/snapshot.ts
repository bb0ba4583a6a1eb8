import { type Data, define } from './change.ts'
import type { SessionChange } from './store.ts'

/**
 * The data of a session at one moment, as the JSON text of each key: what is changed later, also deep inside a value, is
 * found by comparing texts, and a key is decoded only where somebody wants to see it.
 */
export class Snapshot {
  readonly #texts: ReadonlyMap<string, string>

  /** @param texts the JSON text of each key; nobody may change them any more */
  constructor(texts: ReadonlyMap<string, string>) {
    this.#texts = texts
  }

  static readonly empty: Snapshot = new Snapshot(new Map())

  /** @param data what JSON can hold */
  static of(data: Readonly<Data>): Snapshot {
    const texts = new Map<string, string>()
    for (const key of Object.keys(data)) texts.set(key, JSON.stringify(data[key]))
    return new Snapshot(texts)
  }

  get isEmpty(): boolean {
    return this.#texts.size === 0
  }

  get keys(): Iterable<string> {
    return this.#texts.keys()
  }

  has(key: string): boolean {
    return this.#texts.has(key)
  }

  /** A copy of its own for each who asks; `undefined` if it is not there. */
  value(key: string): unknown {
    const text = this.#texts.get(key)
    return text === undefined ? undefined : JSON.parse(text)
  }

  data(): Data {
    const data: Data = {}
    for (const key of this.#texts.keys()) define(data, key, this.value(key))
    return data
  }

  /** What turns this into the other one, key by key, or `null` if they are the same. */
  changeTo(other: Snapshot): SessionChange | null {
    const set: Data = Object.create(null)
    const remove: string[] = []
    let sets = false
    for (const [key, text] of other.#texts) {
      if (this.#texts.get(key) === text) continue
      set[key] = JSON.parse(text)
      sets = true
    }
    for (const key of this.#texts.keys()) if (!other.#texts.has(key)) remove.push(key)
    if (!sets && remove.length === 0) return null
    return { ...(sets && { set }), ...(remove.length > 0 && { remove }) }
  }

  /** Whether the key is the same in both. */
  isSame(other: Snapshot, key: string): boolean {
    return this.#texts.get(key) === other.#texts.get(key)
  }

  equals(other: Snapshot): boolean {
    if (this.#texts.size !== other.#texts.size) return false
    for (const [key, text] of other.#texts) if (this.#texts.get(key) !== text) return false
    return true
  }

  /** Another one: with these keys as they are in the other. */
  taking(keys: Iterable<string>, from: Snapshot): Snapshot {
    const texts = new Map(this.#texts)
    for (const key of keys) {
      const text = from.#texts.get(key)
      if (text === undefined) texts.delete(key)
      else texts.set(key, text)
    }
    return new Snapshot(texts)
  }

  /** Another one, with the change applied. */
  with(change: SessionChange): Snapshot {
    const texts = new Map(this.#texts)
    for (const key of change.remove ?? []) texts.delete(key)
    const { set = {} } = change
    for (const key of Object.keys(set)) texts.set(key, JSON.stringify(set[key]))
    return new Snapshot(texts)
  }
}
