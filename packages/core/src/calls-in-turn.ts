import { isSessionError } from './errors.ts'
import { isUnavailable } from './store-calls.ts'

/** The call of `save()`. */
export const saving = 'save'

/**
 * The calls that a handler makes of its session's methods: one after the other, and the commit after them.
 *
 * An error that the handler overlooks must not become a success, so the commit fails too, unless the same call is made
 * again with success; nor must it end the process because nobody awaited it.
 */
export class CallsInTurn {
  #last: Promise<unknown> | undefined
  /** Of calls that failed, by what a repeated call would have in common with them. */
  #failures: Map<unknown, unknown> | undefined
  /** How the last call failed for which the store was not there. */
  #outage: unknown

  /** Whether there was any. */
  get any(): boolean {
    return this.#last !== undefined
  }

  /** @param call the same for a call that would make this one good */
  run<T>(call: unknown, work: () => Promise<T>): Promise<T> {
    const known = this.#outage
    const turn = (this.#last ?? Promise.resolve()).then(() => {
      // It waited while another one found the store down: it does not wait for the same once more.
      if (this.#outage !== known) throw this.#outage
      return work()
    })
    const answer = turn.then(value => {
      this.#failures?.delete(call)
      // Every other call stores what that one should have stored.
      this.#failures?.delete(saving)
      return value
    })
    this.#last = turn.catch((error: unknown) => {
      // What a function of the handler's own threw is the handler's affair.
      if (!isSessionError(error)) return
      if (isUnavailable(error)) this.#outage = error
      this.#failures ??= new Map()
      this.#failures.set(call, error)
      answer.catch(() => undefined)
    })
    return answer
  }

  /** What failed before does not matter any more. */
  forgive(): void {
    this.#failures = undefined
  }

  /** Waits for all of them. @throws the error of one that failed */
  async done(): Promise<void> {
    await this.#last
    for (const failure of this.#failures?.values() ?? []) throw failure
  }
}
