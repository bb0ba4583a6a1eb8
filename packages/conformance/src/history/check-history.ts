import type { Operation, Seen } from './operation.ts'
import { type SessionHistory, sessionInvariants } from './session-invariants.ts'

export type Invariant = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6'

/** An invariant of the consistency contract that does not hold, and the operations that show it. */
export interface Violation {
  readonly invariant: Invariant
  readonly message: string
  readonly excerpt: readonly Operation[]
}

/** A time in which the test made trouble, by the clock of the history. */
export interface Fault {
  readonly began: number
  readonly ended: number
}

export interface HistoryOptions {
  /** Milliseconds in which each operation is to be answered; 100 more are allowed, as the contract says. */
  readonly deadline?: number
  /** Only in these, and shortly after, may an operation fail. */
  readonly faults?: readonly Fault[]
  /** Processes that the test killed: what they had under way needs no answer. */
  readonly killed?: readonly string[]
  /** True if the store may lose whole sessions in a fault, such as a Redis without persistence. */
  readonly losesSessions?: boolean
}

const grace = 100
/** Milliseconds after the end of a fault in which service must be back. */
const recovery = 2000

/**
 * Reads what processes did to sessions, and finds what contradicts the consistency contract: each invariant at most once
 * per session, with the fewest operations that show it. The time grows with the square of the operations on one
 * session: better many sessions of some hundred operations than one of many thousand.
 */
export function checkHistory(history: readonly Operation[], options: HistoryOptions = {}): Violation[] {
  const sessions = new Map<string, Operation[]>()
  const owners = new Map<string, string>()
  for (const operation of history) {
    const own = sessions.get(operation.session)
    if (own) own.push(operation)
    else sessions.set(operation.session, [operation])
    if (operation.mark !== undefined) owners.set(operation.mark, operation.session)
  }
  const violations = [...sessions].flatMap(([name, operations]) => {
    const session: SessionHistory = { name, operations, ownerOf: mark => owners.get(mark) }
    return sessionInvariants(session, options.losesSessions ?? false)
  })
  return [...violations, ...late(history, options)]
}

/** I6: every operation is answered, in time, and with success when there is no trouble. */
function late(history: readonly Operation[], options: HistoryOptions): Violation[] {
  const { deadline = Number.POSITIVE_INFINITY, faults = [], killed = [] } = options
  const inTrouble = ({ began, ended = began }: Operation) =>
    faults.some(fault => began < fault.ended + recovery && ended > fault.began)
  return history.flatMap((operation): Violation[] => {
    const { process, began, ended, result } = operation
    const wrong =
      ended === undefined
        ? !killed.includes(process) && 'was never answered'
        : (ended - began > deadline + grace && `took ${Math.round(ended - began)} ms`) ||
          (result === 'unknown' && !inTrouble(operation) && 'failed without a fault')
    return wrong ? [{ invariant: 'I6', message: `an operation ${wrong}`, excerpt: [operation] }] : []
  })
}

/** For people: the violations, each operation on a line of its own, times from the begin of the excerpt. */
export function describeViolations(violations: readonly Violation[]): string {
  return violations.map(describe).join('\n\n')
}

function describe({ invariant, message, excerpt }: Violation): string {
  const start = Math.min(...excerpt.map(({ began }) => began))
  const since = (time: number | undefined) =>
    time === undefined ? 'never' : `${(time - start).toFixed(1)} ms`
  const lines = excerpt.map(({ process, session, kind, mark, began, ended, result, seen }) => {
    const what = [kind, session, mark].filter(word => word !== undefined).join(' ')
    const saw = seen && `, saw ${describeSeen(seen)}`
    return `  ${since(began)} to ${since(ended)}: ${process}: ${what}: ${result}${saw ?? ''}`
  })
  return [`${invariant}: ${message}`, ...lines].join('\n')
}

/** Of a long list the end, which is where it differs from what was known before. */
function describeSeen({ owner, keys, list, count }: Seen): string {
  const end = (marks: readonly string[]) =>
    marks.length > 8 ? `(${marks.length - 8} and) ${marks.slice(-8)}` : `${marks}`
  return `owner ${owner}, keys [${end(keys)}], list [${end(list)}], count ${count}`
}
