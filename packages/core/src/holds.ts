import { type Eviction, evicts, type SessionStore } from './store.ts'

/** The sessions that a request uses: until it is over, the store does not evict them. */
export class Holds {
  readonly #store: Eviction | undefined
  #tokens: string[] = []
  #over = false

  constructor(store: SessionStore) {
    this.#store = evicts(store) ? store : undefined
  }

  hold(token: string): void {
    if (this.#store === undefined || this.#over) return
    this.#store.hold(token)
    this.#tokens.push(token)
  }

  /** For good: what is held afterwards is not. */
  release(): void {
    this.#over = true
    for (const token of this.#tokens.splice(0)) this.#store?.release(token)
  }
}
