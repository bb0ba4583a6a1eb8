import type { SessionStore, UserIndex } from '@sojourn/core'
import { filesystemStore } from '@sojourn/filesystem'
import { redisStore } from '@sojourn/redis'

/** Where several processes have their sessions. */
export interface Place {
  readonly url?: string
  readonly rootNodes?: readonly { readonly url: string }[]
  readonly directory?: string
}

const logger = { info: () => {}, warn: () => {}, error: () => {} }

export function openUserStore({ url, rootNodes, directory }: Place): SessionStore & UserIndex {
  if (directory !== undefined)
    return filesystemStore({ directory, threshold: 0, lockTimeout: 20_000, logger })
  const servers = rootNodes === undefined ? { url: url ?? '' } : { rootNodes: [...rootNodes] }
  return redisStore(servers, { timeout: 20_000 })
}

/** A session of an hour. */
export function recordOf(userId: string) {
  const createdAt = Date.now()
  return { data: { a: 1 }, userId, createdAt, expiresAt: createdAt + 3_600_000 }
}
