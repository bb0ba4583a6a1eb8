import { extname, join } from 'node:path'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import {
  type Failed,
  type FromWorker,
  isFromWorker,
  listenMessage,
  loadedMessage,
  type Ready,
  retireMessage,
  stopMessage,
} from './messages.ts'
import type { Plan } from './plan.ts'

/** Beside this file: compiled, or the TypeScript source. */
const threadFile = join(import.meta.dirname, `thread${extname(import.meta.filename)}`)

interface Thread {
  /** Whether it can listen. */
  readonly loaded: Promise<boolean>
  /** Resolves when it listens, or can't. */
  readonly started: Promise<Ready | Failed>
}

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
  #stopping: Promise<number> | undefined

  constructor(plan: Plan, count: number, tell: (message: FromWorker) => void) {
    this.#plan = plan
    this.#count = count
    this.#tell = tell
  }

  /**
   * The first one alone: a module that fails then does so once. They listen when all can, since what comes to the socket of
   * one that can't yet would wait for it.
   *
   * @returns whether all serve
   */
  async start(): Promise<boolean> {
    const first = this.#add(0)
    const others = (await first.loaded) ? this.#count - 1 : 0
    const all = [first, ...Array.from({ length: others }, (_, index) => this.#add(index + 1))]
    const loaded = await Promise.all(all.map(thread => thread.loaded))
    const started = all.map(thread => thread.started)
    const canListen = loaded.every(each => each)
    if (canListen) for (const thread of this.#threads) thread.postMessage(listenMessage)
    const answers = canListen ? await Promise.all(started) : [await Promise.race(started)]
    const failed = answers.find(answer => answer.sojourn === 'failed')
    if (failed !== undefined) {
      this.#tell(failed)
      return false
    }
    for (const ended of this.#ends) ended.then(code => this.#hearEnd(code)).catch(() => process.exit(1))
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

  #add(place: number): Thread {
    const thread = new Worker(threadFile, { workerData: { plan: this.#plan, place } })
    this.#threads.push(thread)
    // Not by `once`, which an error would reject before the thread has ended.
    const ended = new Promise<number>(resolve => thread.once('exit', resolve))
    this.#ends.push(ended)
    thread.on('error', error => process.stderr.write(`${inspect(error)}\n`))
    const loaded = new Promise<true>(resolve => {
      thread.on('message', message => message === loadedMessage && resolve(true))
    })
    const answered = new Promise<Ready | Failed>(resolve => {
      thread.on('message', (message: unknown) => {
        if (!isFromWorker(message)) return
        if (message.sojourn === 'ready' || message.sojourn === 'failed') resolve(message)
        else this.#tell(message)
      })
    })
    const died = ended.then((code): Failed => {
      return { sojourn: 'failed', message: `A thread ended with code ${code} while it started.` }
    })
    const started = Promise.race([answered, died])
    return { loaded: Promise.race([loaded, started.then(() => false)]), started }
  }

  async #hearEnd(code: number): Promise<void> {
    if (this.#stopping !== undefined) return
    process.stderr.write(`A thread ended with code ${code}: its process finishes and is replaced.\n`)
    this.#tell({ sojourn: 'leaving', cause: 'itself' })
    process.exit((await this.stop(false)) || 1)
  }
}
