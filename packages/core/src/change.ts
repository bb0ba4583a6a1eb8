import type { SessionChange } from './store.ts'

/** The data of a session: own keys, values that JSON can hold. */
export type Data = Record<string, unknown>

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

/** Like `object[key] = value`, but never runs the setter of `__proto__`. */
export function define(object: Data, key: string, value: unknown): void {
  if (key !== '__proto__') object[key] = value
  else Object.defineProperty(object, key, { value, enumerable: true, configurable: true, writable: true })
}
