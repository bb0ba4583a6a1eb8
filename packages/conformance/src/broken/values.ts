import type { SessionRecord, SessionStore } from '@sojourn/core'
import { assertJson } from '@sojourn/core/store-kit'
import { brokenStore, withData } from './wrap.ts'

type Data = SessionRecord['data']

/** A store that changes data on their way in. */
function writes(change: (data: Data) => Data): SessionStore {
  return brokenStore(sound => ({
    create: async record => sound.create(withData(record, change(record.data))),
    update: async (token, { set, ...rest }) =>
      sound.update(token, set === undefined ? rest : { ...rest, set: change(set) }),
  }))
}

/** Refuses what JSON can't hold, and then changes what it can. */
function rewrites(replacer: (key: string, value: unknown) => unknown): SessionStore {
  return writes(data => {
    assertJson(data, 'data')
    return JSON.parse(JSON.stringify(data, replacer))
  })
}

/** Stores whatever JSON.stringify makes of a value. */
export function bendsValues(): SessionStore {
  return writes(data => JSON.parse(JSON.stringify(data)))
}

/** What Lua's cjson does: empty arrays become objects, and big integers lose their last digits. */
export function rewritesAsLua(): SessionStore {
  return rewrites((_, value) => {
    if (Array.isArray(value) && value.length === 0) return {}
    return typeof value === 'number' ? Number(value.toPrecision(14)) : value
  })
}

/** Text goes through UTF-8 bytes, where lone surrogates do not exist. */
export function encodesAsUtf8(): SessionStore {
  return rewrites((_, value) => (typeof value === 'string' ? Buffer.from(value).toString() : value))
}

/** A column of 64 KB that cuts off the rest. */
export function truncatesText(): SessionStore {
  return rewrites((_, value) => (typeof value === 'string' ? value.slice(0, 65_535) : value))
}

/** Copies key by key with `=`: a key named __proto__ runs a setter and becomes the copy's prototype. */
export function runsSetters(): SessionStore {
  return brokenStore(sound => {
    const prototypes = new Map<string, object | null>()
    const copy = (data: Data) => {
      const target: Record<string, unknown> = {}
      for (const key of Object.keys(data)) target[key] = data[key]
      return target
    }
    return {
      async create(record) {
        const data = copy(record.data)
        const written = await sound.create(withData(record, { ...data }))
        prototypes.set(written.token, Object.getPrototypeOf(data))
        return written
      },
      async load(token) {
        const loaded = await sound.load(token)
        const prototype = prototypes.get(token)
        if (loaded === null || prototype === undefined) return loaded
        const data = Object.setPrototypeOf({ ...loaded.record.data }, prototype)
        return { ...loaded, record: withData(loaded.record, data) }
      },
    }
  })
}
