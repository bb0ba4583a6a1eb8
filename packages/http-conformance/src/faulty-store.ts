import { setTimeout as sleep } from 'node:timers/promises'
import type { Eviction, SessionChange, SessionRecord, SessionStore, StoreHealth } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { type Deferred, deferred } from './deferred.ts'

export type Call = 'load' | 'create' | 'update' | 'destroy'

/** A real store that counts its calls, and in which chosen calls are slow, fail or never answer. */
export class FaultyStore implements SessionStore, Eviction {
  readonly #real = memoryStore()
  readonly #faults = new Map<Call, () => Promise<unknown>>()
  readonly name = 'memory'
  readonly supports: SessionStore['supports'] = { ...this.#real.supports, eviction: true }
  /** Tokens of the sessions that requests use. */
  readonly held: string[] = []
  /** The calls in the order in which they came. */
  readonly calls: Call[] = []
  readonly #created: string[] = []
  readonly #acknowledged: (call: Call) => void

  /** @param acknowledged is told of every call that was answered */
  constructor(acknowledged: (call: Call) => void) {
    this.#acknowledged = acknowledged
  }

  load = (token: string): ReturnType<SessionStore['load']> => this.#run('load', () => this.#real.load(token))
  create = (record: SessionRecord): ReturnType<SessionStore['create']> =>
    this.#run('create', async () => {
      const written = await this.#real.create(record)
      this.#created.push(written.token)
      return written
    })
  update = (token: string, change: SessionChange): ReturnType<SessionStore['update']> =>
    this.#run('update', () => this.#real.update(token, change))
  destroy = (token: string): Promise<void> => this.#run('destroy', () => this.#real.destroy(token))
  health = (): Promise<StoreHealth> => this.#real.health()
  close = (): Promise<void> => this.#real.close()

  hold(token: string): void {
    this.held.push(token)
  }

  release(token: string): void {
    this.held.splice(this.held.indexOf(token), 1)
  }

  /** The tokens of the sessions that are there. */
  async stored(): Promise<string[]> {
    const found = await Promise.all(this.#created.map(token => this.#real.load(token)))
    return this.#created.filter((_, at) => found[at] !== null)
  }

  /** How often these were called. */
  count(...calls: Call[]): number {
    return this.calls.filter(call => calls.includes(call)).length
  }

  delay(call: Call, milliseconds = 30): void {
    this.#faults.set(call, () => sleep(milliseconds))
  }

  fail(...calls: Call[]): void {
    this.failWith(new Error('ECONNREFUSED, or so'), ...calls)
  }

  failWith(error: Error, ...calls: Call[]): void {
    for (const call of calls) this.#faults.set(call, () => Promise.reject(error))
  }

  hang(...calls: Call[]): void {
    for (const call of calls) this.#faults.set(call, () => new Promise(() => undefined))
  }

  /** Holds the next calls back until `resume`; `reached` is when the first of them came. */
  pause(call: Call): { reached: Promise<void>; resume: () => void } {
    const { reached, resumed } = this.#pause(call)
    return { reached: reached.promise, resume: resumed.resolve }
  }

  /** The same, but then they fail. */
  pauseThenFail(call: Call): { reached: Promise<void>; fail: () => void } {
    const { reached, resumed } = this.#pause(call)
    return { reached: reached.promise, fail: () => resumed.reject(new Error('ECONNRESET, or so')) }
  }

  #pause(call: Call): { reached: Deferred; resumed: Deferred } {
    const reached = deferred()
    const resumed = deferred()
    this.#faults.set(call, () => {
      reached.resolve()
      return resumed.promise
    })
    return { reached, resumed }
  }

  heal(): void {
    this.#faults.clear()
  }

  async #run<T>(call: Call, work: () => Promise<T>): Promise<T> {
    this.calls.push(call)
    await this.#faults.get(call)?.()
    const answer = await work()
    this.#acknowledged(call)
    return answer
  }
}
