import type { CreateOptions, SessionStore, UserSession } from '@sojourn/core'
import { tooManySessions } from '@sojourn/core/store-kit'
import { brokenStore, trip } from './wrap.ts'

/** Looks for users by the beginning of their name, as with `KEYS user:ada*`. */
export function mixesUpUsers(): SessionStore {
  return brokenStore(sound => {
    const users = new Set<string>()
    return {
      create(record, options) {
        if (record.userId !== undefined) users.add(record.userId)
        return sound.create(record, options)
      },
      async *listByUser(userId) {
        for (const user of users) if (user.startsWith(userId)) yield* sound.listByUser(user)
      },
    }
  })
}

/** Shows the record as it was at the sign-in, from a copy in the index. */
export function listsCopies(): SessionStore {
  return brokenStore(sound => {
    const copies = new Map<string, UserSession>()
    return {
      async create(record, options) {
        const written = await sound.create(record, options)
        copies.set(written.token, { token: written.token, record })
        return written
      },
      async *listByUser(userId) {
        for await (const session of sound.listByUser(userId)) yield copies.get(session.token) ?? session
      },
    }
  })
}

/** What was noted at the sign-in is lost with the first change. */
export function forgetsMetadata(): SessionStore {
  return brokenStore(sound => ({
    create: ({ metadata: _, ...record }, options) => sound.create(record, options),
  }))
}

/** Lists what stands in the index, without a look whether it lives. */
export function listsTheDead(): SessionStore {
  return brokenStore(sound => {
    const all = new Map<string, UserSession[]>()
    return {
      async create(record, options) {
        const { token, ...rest } = await sound.create(record, options)
        const { userId = '' } = record
        all.set(userId, [...(all.get(userId) ?? []), { token, record }])
        return { token, ...rest }
      },
      async *listByUser(userId) {
        yield* all.get(userId) ?? []
      },
    }
  })
}

/** Reads page by page, by position: what is removed meanwhile moves the rest under the next page. */
export function listsByPosition(): SessionStore {
  return brokenStore(sound => ({
    async *listByUser(userId) {
      const page = 10
      for (let from = 0; ; from += page) {
        const now: UserSession[] = []
        for await (const session of sound.listByUser(userId)) now.push(session)
        if (from >= now.length) return
        yield* now.toReversed().slice(from, from + page)
        await trip()
      }
    },
  }))
}

/** Ends the first page. */
export function endsTooFew(): SessionStore {
  return brokenStore(sound => ({
    async destroyByUser(userId, { except = [] } = {}) {
      let ended = 0
      for await (const { token } of sound.listByUser(userId)) {
        if (except.includes(token)) continue
        await sound.destroy(token)
        if (++ended === 10) break
      }
      return ended
    },
  }))
}

/** Takes what has an entry and no session for gone, though it may be about to begin. */
export function dropsWhatBegins(): SessionStore {
  return brokenStore(sound => {
    const beginning = new Map<string, number>()
    const unlisted = new Set<string>()
    let begun = 0
    return {
      async create(record, options) {
        const { userId = '' } = record
        const number = ++begun
        beginning.set(userId, number)
        await trip()
        const written = await sound.create(record, options)
        if (beginning.get(userId) !== number) unlisted.add(written.token)
        return written
      },
      async *listByUser(userId) {
        beginning.delete(userId)
        for await (const session of sound.listByUser(userId)) if (!unlisted.has(session.token)) yield session
      },
    }
  })
}

/** Ends one after the other what it read at first: a session that is regenerated meanwhile goes on. */
export function missesTheRegenerated(): SessionStore {
  return brokenStore(sound => ({
    create: (record, options) => sound.create(record, withoutReplaced(options)),
    async destroyByUser(userId, { except = [] } = {}) {
      let ended = 0
      for await (const { token } of sound.listByUser(userId)) {
        if (except.includes(token)) continue
        await trip()
        await sound.destroy(token)
        ended++
      }
      return ended
    },
  }))
}

/** A regenerated session is one more to it. */
export function countsTheRegenerated(): SessionStore {
  return brokenStore(sound => ({
    create: (record, options) => sound.create(record, withoutReplaced(options)),
  }))
}

function withoutReplaced({ replaces: _, ...options }: CreateOptions = {}): CreateOptions {
  return options
}

/** Knows no limit. */
export function ignoresTheLimit(): SessionStore {
  return brokenStore(sound => ({
    create: (record, { maxPerUser: _, ...options } = {}) => sound.create(record, options),
  }))
}

/** Counts, and then adds: in between, others do. */
export function countsThenAdds(): SessionStore {
  return brokenStore(sound => ({
    async create(record, { maxPerUser = 0, onMaxPerUser, ...options } = {}) {
      const { userId = '' } = record
      const live: string[] = []
      for await (const { token } of sound.listByUser(userId)) live.push(token)
      const surplus = maxPerUser > 0 && options.replaces?.userId !== userId ? live.length + 1 - maxPerUser : 0
      if (surplus > 0 && onMaxPerUser === 'refuse') throw tooManySessions()
      await trip()
      for (const token of live.slice(0, Math.max(0, surplus))) await sound.destroy(token)
      return sound.create(record, options)
    },
  }))
}

/** Counts what has ended as well. */
export function countsTheDead(): SessionStore {
  return brokenStore(sound => {
    const signIns = new Map<string, number>()
    return {
      create(record, options = {}) {
        const { userId = '' } = record
        const { maxPerUser = 0, replaces } = options
        const count = (signIns.get(userId) ?? 0) + (replaces === undefined ? 1 : 0)
        signIns.set(userId, count)
        const dead = maxPerUser > 0 && count > maxPerUser ? 1 : 0
        return sound.create(record, { ...options, maxPerUser: Math.max(1, maxPerUser - dead) })
      },
    }
  })
}
