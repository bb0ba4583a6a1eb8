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
  const keys = Object.keys(value)
  const own = findFlawOfKind(value, keys)
  if (own !== undefined) return own
  const isArray = Array.isArray(value)
  for (const key of keys) {
    const found = findFlaw((value as Record<string, unknown>)[key], depth + 1)
    if (found) return { ...found, path: (isArray ? `[${key}]` : `.${key}`) + found.path }
  }
  return undefined
}

/** Fit are arrays and objects as JSON.parse makes them: no class, no toJSON, nothing that stringify leaves out. */
function findFlawOfKind(value: object, keys: readonly string[]): Flaw | undefined {
  const isArray = Array.isArray(value)
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!(isArray ? isArrayPrototype(prototype) : isObjectPrototype(prototype))) {
    return flaw(
      `a ${value.constructor?.name || 'class instance'}`,
      'keep its plain data, such as a string or number',
    )
  }
  if ('toJSON' in value && typeof value.toJSON === 'function') {
    return flaw('an object with a toJSON method', 'keep what toJSON returns')
  }
  if (isArray && !isFull(value, keys)) return flaw('an array with holes or extra keys', 'fill it')
  if (
    Object.getOwnPropertyNames(value).length !== keys.length + (isArray ? 1 : 0) ||
    Object.getOwnPropertySymbols(value).length > 0
  ) {
    return flaw('an object with a hidden key or a symbol as one', 'use plain string keys')
  }
  return keys.includes('__proto__')
    ? flaw('an object with a key named __proto__', 'rename the key')
    : undefined
}

/** Whether the keys are all its indices, which come first, and nothing else. */
function isFull({ length }: readonly unknown[], keys: readonly string[]): boolean {
  return keys.length === length && (length === 0 || keys[length - 1] === `${length - 1}`)
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
