import { randomUUID } from 'node:crypto'
import type { Loaded, NamedSessions, SessionRecord, SessionStore, UserIndex, Written } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { applyChange, assertJson, guardsHold } from '@sojourn/core/store-kit'

/** The session is its token, as with a cookie: shared by everybody, and never ended before its time. */
export function tokenStore(): SessionStore {
  const write = async (record: SessionRecord): Promise<Written> => {
    assertJson(record.data, 'data')
    const version = randomUUID()
    const token = Buffer.from(JSON.stringify({ record, version })).toString('base64url')
    return { status: 'written', token, version }
  }
  const load = async (token: string): Promise<Loaded | null> => {
    const loaded = parse(token)
    return loaded && loaded.record.expiresAt > Date.now() ? loaded : null
  }
  return {
    name: 'token',
    supports: { sharedAcrossProcesses: true, revocation: false, atomicUpdate: false, userIndex: false },
    load,
    create: write,
    async update(token, change) {
      const current = await load(token)
      if (current === null) return { status: 'gone' }
      const { record, version } = current
      if (!guardsHold(record.data, version, change)) return { status: 'conflict', current }
      const { expiresAt = record.expiresAt } = change
      return write({ ...record, expiresAt, data: applyChange(record.data, change) })
    },
    async destroy() {},
    async health() {
      return { store: 'token', reachable: true, latency: 0, warnings: [] }
    },
    async close() {},
  }
}

function parse(token: string): Loaded | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(token, 'base64url').toString())
    return isLoaded(value) ? value : null
  } catch {
    return null
  }
}

function isLoaded(value: unknown): value is Loaded {
  return typeof value === 'object' && value !== null && 'record' in value && 'version' in value
}

/** Handles on one memory; a closed handle does not answer any more. */
export function sharedMemory(): () => SessionStore & UserIndex & NamedSessions {
  const memory = memoryStore()
  return () => openHandle(memory)
}

function openHandle(
  memory: SessionStore & UserIndex & NamedSessions,
): SessionStore & UserIndex & NamedSessions {
  let open = true
  const live = () => {
    if (!open) throw new Error('closed')
    return memory
  }
  return {
    name: 'shared-memory',
    supports: {
      sharedAcrossProcesses: true,
      revocation: true,
      atomicUpdate: true,
      userIndex: true,
      namedSessions: true,
    },
    load: async token => live().load(token),
    create: async (record, options) => live().create(record, options),
    createAs: async (token, record, options) => live().createAs(token, record, options),
    update: async (token, change) => live().update(token, change),
    destroy: async token => live().destroy(token),
    async health() {
      return { ...(await live().health()), store: 'shared-memory' }
    },
    async close() {
      open = false
    },
    listByUser: userId => live().listByUser(userId),
    destroyByUser: async (userId, options) => live().destroyByUser(userId, options),
  }
}
