import { closeSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { Operation } from './operation.ts'

type Begun = Pick<Operation, 'session' | 'kind' | 'mark'>
type Answer = Pick<Operation, 'result' | 'seen' | 'error'>

/** Milliseconds of a clock that all processes of a machine share, and that nobody sets. */
export function sharedTime(): number {
  return Number(process.hrtime.bigint()) / 1e6
}

/**
 * Writes down what a process does, into a file of its own: the begin of each operation before it, its end after it, so
 * that what was under way is known also of a process that was killed.
 */
export class HistoryRecorder {
  readonly #process: string
  readonly #file: number
  #count = 0
  #marks = 0

  /**
   * @param path a new file: a process that is started again is another one, under a name of its own
   * @throws if there is such a file
   */
  constructor(path: string, name: string) {
    this.#process = name
    this.#file = openSync(path, 'ax')
  }

  /** A mark that no other operation has. */
  mark(): string {
    return `${this.#process}-${this.#marks++}`
  }

  /**
   * Carries out `work`, which answers what came of it, and records that. If it throws, that is `unknown`, with what it
   * threw: for a test to look at, if it knows which errors are no surprise.
   */
  async record(begun: Begun, work: () => Promise<Answer>): Promise<Answer> {
    const number = this.#count++
    const head = { process: this.#process, ...begun, began: sharedTime() }
    this.#write(number, { ...head, result: 'unknown' })
    const answer = await work().catch((error): Answer => ({ result: 'unknown', error: String(error) }))
    this.#write(number, { ...head, ended: sharedTime(), ...answer })
    return answer
  }

  close(): void {
    closeSync(this.#file)
  }

  #write(number: number, operation: Operation): void {
    writeSync(this.#file, `${JSON.stringify([number, operation])}\n`)
  }
}

/** Reads the files of recorders: every operation once, as it ended or as it was when its process died. */
export function readHistory(paths: readonly string[]): Operation[] {
  return paths.flatMap(path => {
    const operations = new Map<number, Operation>()
    // What comes after the last line's end is empty, or was cut short when the process was killed.
    for (const line of readFileSync(path, 'utf8').split('\n').slice(0, -1)) {
      const [number, operation]: [number, Operation] = JSON.parse(line)
      operations.set(number, operation)
    }
    return [...operations.values()]
  })
}
