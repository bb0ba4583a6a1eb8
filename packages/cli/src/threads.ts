import { extname, join } from 'node:path'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import {
  type Failed,
  type FromWorker,
  isFromWorker,
  type Ready,
  retireMessage,
  stopMessage,
} from './messages.ts'
import type { Plan } from './plan.ts'

/** Beside this file: compiled, or the TypeScript source. */
const threadFile = join(import.meta.dirname, `thread${extname(import.meta.filename)}`)

/**
 * The threads of one process, each of which serves the module for itself. They start and end together: if one dies, the
 * others finish what they do, and the primary starts another process.
 */
export class Threads {
  readonly #plan: Plan
  readonly #count: number
  readonly #tell: (message: FromWorker) => void
  readonly #threads: Worker[] = []
  readonly #ends: Promise<number>[] = []
  #isReady = false
  #stopping: Promise<number> | undefined

  constructor(plan: Plan, count: number, tell: (message: FromWorker) => void) {
    this.#plan = plan
    this.#count = count
    this.#tell = tell
  }

  /** The first one alone: a module that fails then does so once. @returns whether all serve */
  async start(): Promise<boolean> {
    const first = await this.#add(0)
    const others = await Promise.all(
      Array.from({ length: this.#count - 1 }, (_, index) => this.#add(index + 1)),
    )
    const answers = [first, ...others]
    const failed = answers.find(answer => answer.sojourn === 'failed')
    if (failed !== undefined) {
      this.#tell(failed)
      return false
    }
    this.#isReady = true
    const ready = answers.filter(answer => answer.sojourn === 'ready')
    const sessions = ready.flatMap(answer => answer.sessions)
    this.#tell({ sojourn: 'ready', sessions, trustsProxy: ready[0]?.trustsProxy })
    return true
  }

  /** See `Serving.stop`. */
  stop(soon: boolean): Promise<number> {
    for (const thread of this.#threads) thread.postMessage(soon ? stopMessage : retireMessage)
    this.#stopping ??= Promise.all(this.#ends).then(codes => Math.max(...codes))
    return this.#stopping
  }

  /** Resolves when it listens, or can't. */
  async #add(place: number): Promise<Ready | Failed> {
    const thread = new Worker(threadFile, { workerData: { plan: this.#plan, place } })
    this.#threads.push(thread)
    // Not by `once`, which an error would reject before the thread has ended.
    const ended = new Promise<number>(resolve => thread.once('exit', resolve))
    this.#ends.push(ended)
    thread.on('error', error => process.stderr.write(`${inspect(error)}\n`))
    ended.then(code => this.#hearEnd(code)).catch(() => process.exit(1))
    const answered = new Promise<Ready | Failed>(resolve => {
      thread.on('message', (message: unknown) => {
        if (!isFromWorker(message)) return
        if (message.sojourn === 'said') this.#tell(message)
        else resolve(message)
      })
    })
    const died = ended.then((code): Failed => {
      return { sojourn: 'failed', message: `A thread ended with code ${code} while it started.` }
    })
    return Promise.race([answered, died])
  }

  async #hearEnd(code: number): Promise<void> {
    if (!this.#isReady || this.#stopping !== undefined) return
    process.stderr.write(`A thread ended with code ${code}: its process finishes and is replaced.\n`)
    process.exit((await this.stop(false)) || 1)
  }
}
