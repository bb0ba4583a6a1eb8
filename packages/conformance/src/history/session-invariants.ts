import type { Violation } from './check-history.ts'
import type { Operation, Seen } from './operation.ts'

/** What was done to one session. */
export interface SessionHistory {
  readonly name: string
  readonly operations: readonly Operation[]
  /** The session that an operation with this mark was done to, if there is one. */
  readonly ownerOf: (mark: string) => string | undefined
}

type Ended = Operation & { readonly ended: number }
type Observation = Ended & { readonly seen: Seen }
type Invariant = (session: SessionHistory) => Violation | undefined

export function sessionInvariants(session: SessionHistory, mayBeLost: boolean): Violation[] {
  const invariants = [
    revived,
    vanished,
    forgotten,
    blind,
    halfApplied,
    disordered,
    overtaken,
    foreign,
    untrue,
    repeated,
  ]
  const asked = mayBeLost ? invariants.filter(invariant => invariant !== vanished) : invariants
  return asked.flatMap(invariant => invariant(session) ?? [])
}

/** I1: nothing succeeds that began after the session was known to have ended. */
const revived: Invariant = ({ operations }) => {
  const end = earliest(
    operations
      .filter(isEnded)
      .filter(({ kind, result }) => result === 'gone' || (kind === 'destroy' && result === 'done')),
  )
  const late = operations.find(
    ({ kind, result, began }) => end && result === 'done' && kind !== 'destroy' && began > end.ended,
  )
  return end && late && violation('I1', 'a session that had ended was there again', [end, late])
}

/** I2: a session is there until somebody ends it. */
const vanished: Invariant = ({ operations }) => {
  // An end that was answered `gone` or `refused` came to nothing.
  const ends = operations.filter(
    ({ kind, result }) => kind === 'destroy' && (result === 'done' || result === 'unknown'),
  )
  const lost = operations
    .filter(isEnded)
    .find(({ result, ended }) => result === 'gone' && !ends.some(({ began }) => began <= ended))
  return lost && violation('I2', 'a session vanished that nobody had ended', [lost])
}

/** I2 and I3: what was acknowledged, or seen, is seen by all that look later. */
const forgotten: Invariant = ({ operations }) => {
  const proofs = new Map<string, Ended>()
  const prove = (mark: string, by: Ended) => {
    const known = proofs.get(mark)
    if (known === undefined || by.ended < known.ended) proofs.set(mark, by)
  }
  for (const operation of operations.filter(isEnded)) {
    if (operation.result === 'done' && operation.mark !== undefined) prove(operation.mark, operation)
    if (isObservation(operation)) for (const mark of marksIn(operation.seen)) prove(mark, operation)
  }
  for (const look of operations.filter(isObservation)) {
    const marks = new Set(marksIn(look.seen))
    for (const [mark, proof] of proofs) {
      if (proof.ended >= look.began || marks.has(mark)) continue
      return proof.mark === mark
        ? violation('I2', `what was acknowledged, ${mark}, is not there`, [proof, look])
        : violation('I3', `what was seen, ${mark}, is not seen later`, [proof, look])
    }
  }
  return undefined
}

/** I2: an append that is done has seen what it left. */
const blind: Invariant = ({ operations }) => {
  const look = operations
    .filter(isObservation)
    .find(({ kind, mark, seen }) => kind === 'append' && mark !== undefined && !seen.list.includes(mark))
  return look && violation('I2', `what is acknowledged, ${look.mark}, is not in its own answer`, [look])
}

/** I2: an update is there as a whole. */
const halfApplied: Invariant = ({ operations }) => {
  const look = operations.filter(isObservation).find(({ seen }) => seen.count !== seen.list.length)
  return look && violation('I2', 'half of an update is there: the count is not that of the list', [look])
}

/** I3: all see the appends in one order. */
const disordered: Invariant = ({ operations }) => {
  const looks = operations.filter(isObservation).sort((a, b) => a.seen.list.length - b.seen.list.length)
  for (const [at, look] of looks.entries()) {
    const longer = looks[at + 1]
    if (longer && look.seen.list.some((mark, place) => longer.seen.list[place] !== mark))
      return violation('I3', 'two saw the appends in different orders', [look, longer])
  }
  return undefined
}

/** I3: an append stands behind those that were done when it began. */
const overtaken: Invariant = ({ operations }) => {
  const appends = new Map(operations.filter(({ kind }) => kind === 'append').map(each => [each.mark, each]))
  for (const look of operations.filter(isObservation)) {
    let behind: Ended | undefined
    for (const mark of look.seen.list.toReversed()) {
      const source = appends.get(mark)
      if (source === undefined) continue
      if (behind && behind.ended < source.began)
        return violation('I3', `${mark} stands before what was done when it began`, [behind, source, look])
      // What timed out may have been carried out later.
      const isDone = source.result === 'done' && isEnded(source)
      if (isDone && (behind === undefined || source.ended < behind.ended)) behind = source
    }
  }
  return undefined
}

/** I4: nobody sees what belongs to another session, or what nobody wrote. */
const foreign: Invariant = ({ name, operations, ownerOf }) => {
  const look = operations
    .filter(isObservation)
    .find(({ seen }) => seen.owner !== name || marksIn(seen).some(mark => ownerOf(mark) !== name))
  return look && violation('I4', 'a session shows what was not written to it', [look])
}

/** I5: what was answered not to have happened, or not yet begun, is not there. */
const untrue: Invariant = ({ operations }) => {
  const byMark = new Map(
    operations.flatMap(each => (each.mark === undefined ? [] : [[each.mark, each] as const])),
  )
  for (const look of operations.filter(isObservation)) {
    for (const mark of marksIn(look.seen)) {
      const source = byMark.get(mark)
      if (source === undefined) continue
      const denied = source.result === 'gone' || source.result === 'refused'
      if (denied || source.began > look.ended)
        return violation('I5', `what was answered not to have happened, ${mark}, is there`, [source, look])
    }
  }
  return undefined
}

/** I5: nothing happens twice. */
const repeated: Invariant = ({ operations }) => {
  const look = operations.filter(isObservation).find(({ seen }) => new Set(seen.list).size < seen.list.length)
  const twice = look?.seen.list.find((mark, at, list) => list.indexOf(mark) !== at)
  const source = operations.find(({ mark }) => mark !== undefined && mark === twice)
  return look && violation('I5', `${twice} was applied twice`, source ? [source, look] : [look])
}

function violation(invariant: Violation['invariant'], message: string, excerpt: Operation[]): Violation {
  return { invariant, message, excerpt }
}

function marksIn({ keys, list }: Seen): string[] {
  return [...keys, ...list]
}

function isEnded(operation: Operation): operation is Ended {
  return operation.ended !== undefined
}

function isObservation(operation: Operation): operation is Observation {
  return isEnded(operation) && operation.seen !== undefined
}

function earliest(operations: readonly Ended[]): Ended | undefined {
  return operations.toSorted((a, b) => a.ended - b.ended)[0]
}
