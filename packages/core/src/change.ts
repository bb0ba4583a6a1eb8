import type { SessionChange } from './store.ts'

/** The data of a session: own keys, values that JSON can hold. */
export type Data = Record<string, unknown>

/**
 * What turns `before` into `after`, key by key, or `null` if nothing does. Values are compared by their JSON
 * text, so a value that was replaced by an equal one is no change.
 */
export function difference(before: Readonly<Data>, after: Readonly<Data>): SessionChange | null {
  const set: Data = Object.create(null)
  const remove: string[] = []
  for (const key of Object.keys(after)) {
    if (!Object.hasOwn(before, key) || !isSame(before[key], after[key])) set[key] = after[key]
  }
  for (const key of Object.keys(before)) if (!Object.hasOwn(after, key)) remove.push(key)
  const sets = Object.keys(set).length > 0
  if (!sets && remove.length === 0) return null
  return { ...(sets && { set }), ...(remove.length > 0 && { remove }) }
}

/** `data` with the change applied; neither argument is modified. */
export function applyChange(data: Readonly<Data>, change: SessionChange): Data {
  const result: Data = { ...data }
  for (const key of change.remove ?? []) delete result[key]
  for (const key of Object.keys(change.set ?? {})) define(result, key, change.set?.[key])
  return result
}

/** Which guard of the change does not hold against what stands, if any. */
export function guardsHold(data: Readonly<Data>, version: string, change: SessionChange): boolean {
  if (change.expectedVersion !== undefined && change.expectedVersion !== version) return false
  for (const [key, value] of Object.entries(change.expectedValues ?? {})) {
    const stands = Object.hasOwn(data, key) ? JSON.stringify(data[key]) : undefined
    if (stands !== (value === undefined ? undefined : JSON.stringify(value))) return false
  }
  return true
}

/** The guard for `conflict: 'reject'`: every key that the change names must have the value that was seen. */
export function expectSeen(change: SessionChange, seen: Readonly<Data>): SessionChange {
  const expectedValues: Data = Object.create(null)
  for (const key of [...Object.keys(change.set ?? {}), ...(change.remove ?? [])]) {
    expectedValues[key] = Object.hasOwn(seen, key) ? seen[key] : undefined
  }
  return { ...change, expectedValues }
}

/** Compared by JSON text, which only objects need. */
function isSame(a: unknown, b: unknown): boolean {
  return (
    a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b))
  )
}

/** Makes `target`, in place, hold what `data` holds. */
export function replaceData(target: Data, data: Readonly<Data>): void {
  for (const key of Object.keys(target)) delete target[key]
  for (const key of Object.keys(data)) define(target, key, data[key])
}

/** Like `object[key] = value`, but never runs the setter of `__proto__`. */
export function define(object: Data, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
