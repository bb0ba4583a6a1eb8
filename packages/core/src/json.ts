import { SessionError } from './errors.ts'

/** Deeper than any session should be, and far from what exhausts the stack. */
const maxDepth = 500

/** Why a value can't be kept, and where in it: `[1].price`. */
interface Flaw {
  readonly path: string
  readonly what: string
  readonly instead: string
}

/**
 * Throws `ERR_SESSION_VALUE`, naming the key path, unless `JSON.parse(JSON.stringify(value))` is the same value.
 * What JSON would drop or bend in silence is refused: undefined, NaN, -0, dates, class instances, cycles ...
 */
export function assertJson(value: unknown, key: string): void {
  const flaw = findFlaw(value, 0)
  if (flaw === undefined) return
  const path = `session.${key}${flaw.path}`
  throw new SessionError(
    'ERR_SESSION_VALUE',
    `${path.length > 120 ? `${path.slice(0, 120)}...` : path} is ${flaw.what}, which JSON can't hold: ${flaw.instead}. Nothing was stored.`,
  )
}

function findFlaw(value: unknown, depth: number): Flaw | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined
    case 'number':
      if (!Number.isFinite(value)) return flaw(`${value}`, 'use null or a string')
      return Object.is(value, -0) ? flaw('-0', 'use 0') : undefined
    case 'object':
      return value === null ? undefined : findFlawInObject(value, depth)
    case 'undefined':
      return flaw('undefined', 'delete the key or use null')
    default:
      return flaw(`a ${typeof value}`, 'keep a string, number, boolean, null, array or plain object')
  }
}

function findFlawInObject(value: object, depth: number): Flaw | undefined {
  if (depth >= maxDepth) return flaw(`nested more than ${maxDepth} deep, or a cycle`, 'keep an id')
  const own = findFlawOfKind(value)
  if (own !== undefined) return own
  if (Array.isArray(value)) return findFlawInArray(value, depth)
  const keys = Object.keys(value)
  if (hidesKeys(value, keys.length))
    return flaw('an object with a hidden key or a symbol as one', 'use plain string keys')
  for (const key of keys) {
    if (key === '__proto__') return flaw('an object with a key named __proto__', 'rename the key')
    const found = findFlaw((value as Record<string, unknown>)[key], depth + 1)
    if (found) return { ...found, path: `.${key}${found.path}` }
  }
  return undefined
}

/** What `Reflect.ownKeys` would tell, for a quarter of its price. */
function hidesKeys(value: object, shown: number): boolean {
  return Object.getOwnPropertyNames(value).length > shown || Object.getOwnPropertySymbols(value).length > 0
}

function findFlawInArray(value: readonly unknown[], depth: number): Flaw | undefined {
  if (!isFull(value)) return flaw('an array with holes or extra keys', 'fill it')
  for (let at = 0; at < value.length; at++) {
    const found = findFlaw(value[at], depth + 1)
    if (found) return { ...found, path: `[${at}]${found.path}` }
  }
  return undefined
}

/** Fit are arrays and objects as JSON.parse makes them: no class, no toJSON. */
function findFlawOfKind(value: object): Flaw | undefined {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!(Array.isArray(value) ? isArrayPrototype(prototype) : isObjectPrototype(prototype))) {
    return flaw(
      `a ${value.constructor?.name || 'class instance'}`,
      'keep its plain data, such as a string or number',
    )
  }
  return 'toJSON' in value && typeof value.toJSON === 'function'
    ? flaw('an object with a toJSON method', 'keep what toJSON returns')
    : undefined
}

/** Whether it has all its indices, which come first, and beside its length nothing else. */
function isFull(array: readonly unknown[]): boolean {
  const keys = Reflect.ownKeys(array)
  return keys.length === array.length + 1 && keys[array.length] === 'length'
}

/** In whichever realm it was made. */
function isObjectPrototype(prototype: unknown): boolean {
  if (prototype === Object.prototype || typeof prototype !== 'object' || prototype === null) return true
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** `Array.prototype` is an array itself, in every realm; the prototype of a class that extends Array is none. */
function isArrayPrototype(prototype: unknown): boolean {
  return Array.isArray(prototype)
}

function flaw(what: string, instead: string): Flaw {
  return { path: '', what, instead }
}
