import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { filesystemStore } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'
import { startWorker, type Worker } from './processes.ts'
import { canTrace, fileThreads, type Thread, trace } from './strace.ts'
import type { Job } from './worker.ts'

const logger = { info: () => {}, warn: () => {}, error: () => {} }
/** So long that the next change leaves its file mostly out of date, and has it rewritten. */
const longNote = 'x'.repeat(5000)

/** Something that a process does to a session, and what may be seen if it dies over it. */
interface Operation {
  readonly job: Pick<Job, 'kind' | 'name'>
  readonly before: Readonly<Record<string, unknown>> | null
  readonly after: Readonly<Record<string, unknown>> | null
}

const operations: Readonly<Record<string, Operation>> = {
  'a change': { job: { kind: 'keys', name: 'k' }, before: { note: 'old' }, after: { note: 'old', 'k-0': 0 } },
  'a change that rewrites the file': {
    job: { kind: 'keys', name: 'k' },
    before: { 'k-0': longNote },
    after: { 'k-0': 0 },
  },
  'a sign-out': { job: { kind: 'destroy', name: '' }, before: { note: 'old' }, after: null },
  'a change after the sign-out': { job: { kind: 'keys', name: 'k' }, before: null, after: null },
}

/** A system call of a thread, of which each is to be its last. */
interface CallKind {
  readonly thread: Thread['name']
  readonly name: string
}

/** Does operations in processes that die over them, on one folder. */
class Crashes {
  readonly #directory = temporaryFolder()
  readonly #durable: boolean
  readonly #store
  #next: Promise<Worker>

  constructor(durable: boolean) {
    this.#durable = durable
    this.#store = filesystemStore({ directory: this.#directory, threshold: 0, durable, logger })
    this.#next = this.#startWorker()
  }

  /** Every kind of call with which the operation touches the folder. */
  async calls(operation: Operation): Promise<CallKind[]> {
    const log = join(this.#directory, 'trace')
    const worker = await this.#worker()
    const threads = fileThreads(worker.process)
    const stop = await trace(threads, ['-y', '-o', log, '-e', 'trace=%file,%desc'])
    await worker.ask(operation.job.kind, {
      ...operation.job,
      token: await this.#session(operation),
      count: 1,
    })
    await stop()
    worker.process.kill('SIGKILL')
    const lines = readFileSync(log, 'utf8').split('\n')
    rmSync(log)
    const kinds = new Map<string, CallKind>()
    for (const line of lines.filter(each => each.includes(this.#directory))) {
      const [, id, name] = /^(\d+) +(\w+)\(/.exec(line) ?? []
      const thread = threads.find(each => each.id === id)?.name
      if (thread !== undefined && name !== undefined) kinds.set(`${thread} ${name}`, { thread, name })
    }
    return [...kinds.values()]
  }

  /** @returns what the session holds after a death at the nth such call, and whether it was acknowledged before */
  async crash(operation: Operation, { thread, name }: CallKind, n: number) {
    const worker = await this.#worker()
    const token = await this.#session(operation)
    const threads = fileThreads(worker.process).filter(each => each.name === thread)
    const stop = await trace(threads, ['-o', '/dev/null', '-e', `inject=${name}:signal=SIGKILL:when=${n}`])
    const acknowledged = await Promise.race([
      worker.ask(operation.job.kind, { ...operation.job, token, count: 1 }).then(() => true),
      worker.exited.then(() => false),
    ])
    await stop()
    worker.process.kill('SIGKILL')
    await worker.exited
    const left = (await this.#store.load(token))?.record.data ?? null
    return { acknowledged, left, goesOn: await this.#goesOn(token, left !== null) }
  }

  async close(): Promise<void> {
    const worker = await this.#next
    worker.process.kill('SIGKILL')
    await this.#store.close()
  }

  /** Another process can change the session, and sign it out, if it lives, and not if it does not. */
  async #goesOn(token: string, lives: boolean): Promise<boolean> {
    const { status } = await this.#store.update(token, { set: { after: 'the crash' } })
    const seen = (await this.#store.load(token))?.record.data.after
    await this.#store.destroy(token)
    const gone = (await this.#store.load(token)) === null
    return (
      gone && (lives ? status === 'written' && seen === 'the crash' : status === 'gone' && seen === undefined)
    )
  }

  async #session({ before }: Operation): Promise<string> {
    const now = Date.now()
    const record = { data: before ?? { note: 'signed out' }, createdAt: now, expiresAt: now + 600_000 }
    const { token } = await this.#store.create(record)
    if (before === null) await this.#store.destroy(token)
    return token
  }

  /** The one that was started while the last one died. */
  async #worker(): Promise<Worker> {
    const worker = await this.#next
    this.#next = this.#startWorker()
    return worker
  }

  #startWorker(): Promise<Worker> {
    return startWorker(this.#directory, { durable: this.#durable, threads: 1 })
  }
}

describe.skipIf(!canTrace).each([
  ['', false],
  [', durable', true],
])('F3: a process dies at any system call%s', (durably, durable) => {
  it.each(Object.entries(operations))(`F3: of %s${durably}`, async (name, operation) => {
    const crashes = new Crashes(durable)
    const { before, after } = operation
    const seen = { before: 0, after: 0 }
    const kinds = await crashes.calls(operation)
    for (const kind of kinds) {
      for (let n = 1; ; n++) {
        const { acknowledged, left, goesOn } = await crashes.crash(operation, kind, n)
        const at = `at ${kind.name} number ${n} of ${kind.thread}`
        expect(acknowledged ? [after] : [before, after], at).toContainEqual(left)
        expect(goesOn, at).toBe(true)
        if (acknowledged) break
        seen[JSON.stringify(left) === JSON.stringify(after) ? 'after' : 'before']++
      }
    }
    await crashes.close()
    process.stdout.write(
      `F3 ${name}${durably}: ${kinds.length} kinds of calls, ${seen.before + seen.after} deaths; found as before ${seen.before}, done ${seen.after}, anything else 0\n`,
    )
    expect(seen.after).toBeGreaterThan(0)
    if (before !== null) expect(seen.before).toBeGreaterThan(0)
  })
})
