/** Messages for the next page, by key; each array is in the order in which the messages came. */
export type Messages = Record<string, string[]>

/**
 * `flash(key, value)` keeps a message and answers how many the key has; `flash(key)` answers the messages of a key
 * and forgets them; `flash()` does so for all.
 */
export interface Flash {
  (key: string, value: string): number
  (key: string): string[]
  (): Messages
}

/**
 * The messages are the function's own properties, because connect-flash treats `session.flash` as a dictionary:
 * it works unchanged on the same messages.
 *
 * @param assertOpen throws if it is too late to keep or to take a message
 */
export function createFlash(kept: unknown, assertOpen: () => void): Flash {
  const flash = Object.setPrototypeOf((key?: string, value?: string): unknown => {
    if (key === undefined) return take(Object.keys(messages))
    if (value === undefined) return take([key])[key] ?? []
    assertOpen()
    const all = Array.isArray(messages[key]) ? messages[key] : []
    replace(messages, key, [...all, value])
    return all.length + 1
  }, null)
  for (const own of ['name', 'length', 'prototype']) delete flash[own]
  const messages: Messages = flash
  // Of connect-flash's `req.flash()`, what it got from here is sent as JSON.
  Object.defineProperty(flash, 'toJSON', {
    value: () => ({ ...messages }),
    configurable: true,
    writable: true,
  })
  putMessages(flash, kept)

  function take(keys: string[]): Messages {
    const taken: Messages = Object.create(null)
    for (const key of keys) {
      if (!Object.hasOwn(messages, key)) continue
      assertOpen()
      if (Array.isArray(messages[key])) taken[key] = messages[key]
      delete messages[key]
    }
    return taken
  }
  return flash
}

/** What a session keeps of the messages; `undefined` when there are none. */
export function keptMessages(flash: Flash): Messages | undefined {
  const entries = Object.entries(flash)
  return entries.length === 0 ? undefined : Object.fromEntries(entries)
}

/** Makes `kept` the messages, as the assignment `session.flash = {}` asks for. */
export function putMessages(flash: Flash, kept: unknown): void {
  if (kept === flash || typeof kept !== 'object' || kept === null) return
  for (const key of Object.keys(flash)) Reflect.deleteProperty(flash, key)
  for (const [key, value] of Object.entries(kept)) replace(flash, key, value)
}

function replace(target: object, key: string, value: unknown): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}
