import { type ChildProcess, fork } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SessionStore, UserIndex } from '@sojourn/core'
import { KeyvCacache } from '@sojourn/filesystem'
import { RedisCluster, RedisServer } from '@sojourn/redis-servers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openUserStore, type Place, recordOf } from './user-store.ts'
import type { Answer, Came, UserJob } from './user-worker.ts'

const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** A process of its own on the store. */
class Worker {
  readonly #child: ChildProcess
  readonly exited: Promise<unknown>
  readonly came: Came[] = []
  readonly #answers = new EventEmitter()

  private constructor(place: Place) {
    this.#child = fork(join(import.meta.dirname, 'user-worker.ts'), [JSON.stringify(place)], {
      execArgv: ['--conditions=@sojourn/source'],
    })
    children.push(this.#child)
    this.exited = once(this.#child, 'exit')
    this.#child.on('message', (message: Came | Answer) => {
      if ('root' in message) this.came.push(message)
      else this.#answers.emit('answer', message.value)
    })
  }

  static async start(place: Place): Promise<Worker> {
    const worker = new Worker(place)
    await worker.#answer()
    return worker
  }

  async ask(job: UserJob): Promise<unknown> {
    const answer = this.#answer()
    this.#child.send(job)
    return answer
  }

  kill(): void {
    this.#child.kill('SIGKILL')
  }

  async #answer(): Promise<unknown> {
    const [value] = await once(this.#answers, 'answer')
    if (value?.failed !== undefined) throw new Error(value.failed)
    return value
  }
}

interface Medium {
  readonly place: Place
  /** All ids that have something like a session, whatever an index says. */
  readonly ids: () => Promise<string[]>
  readonly stop: () => Promise<unknown>
}

async function idsOn(servers: readonly RedisServer[]): Promise<string[]> {
  const keys = await Promise.all(servers.map(server => server.command('KEYS', 'session:*')))
  return keys.flatMap(some => some.split('\n')).flatMap(key => /^session:([\w-]{43})$/.exec(key)?.[1] ?? [])
}

const media: Readonly<Record<string, () => Promise<Medium>>> = {
  redis: async () => {
    const server = await RedisServer.start()
    return { place: { url: server.url }, ids: () => idsOn([server]), stop: () => server.stop() }
  },
  'a Redis Cluster': async () => {
    const cluster = await RedisCluster.start()
    const rootNodes = cluster.servers.map(({ url }) => ({ url }))
    return { place: { rootNodes }, ids: () => idsOn(cluster.servers.slice(0, 3)), stop: () => cluster.stop() }
  },
  filesystem: async () => {
    const directory = mkdtempSync(join(tmpdir(), 'sojourn-users-'))
    const keyv = new KeyvCacache({ directory })
    const ids = async () => {
      const found: string[] = []
      for await (const [key] of keyv.iterator()) found.push(key.slice('session:'.length))
      return found
    }
    const stop = async () => {
      await keyv.disconnect()
      rmSync(directory, { recursive: true, force: true })
    }
    return { place: { directory }, ids, stop }
  },
}

async function listed(store: UserIndex, userId: string): Promise<string[]> {
  const tokens: string[] = []
  for await (const { token } of store.listByUser(userId)) tokens.push(token)
  return tokens.sort()
}

/** What is asked of a process that dies over it, beside three sessions of the user. */
const jobs: Readonly<Record<string, (tokens: readonly string[]) => Omit<UserJob, 'userId'>>> = {
  'a sign-in': () => ({ kind: 'sign-in' }),
  'a sign-in over the limit': () => ({ kind: 'sign-in', maxPerUser: 3 }),
  'a sign-out': ([token = '']) => ({ kind: 'sign-out', token }),
  'a regenerate': ([token = '']) => ({ kind: 'regenerate', token }),
  'an end of all': () => ({ kind: 'end-all' }),
}

describe.each(Object.keys(media))('R7 R8: the sessions of a user in %s', name => {
  let medium: Medium
  let store: SessionStore & UserIndex
  let users = 0

  beforeAll(async () => {
    const open = media[name]
    if (open === undefined) throw new Error('no such medium')
    medium = await open()
    store = openUserStore(medium.place)
  })
  afterAll(async () => {
    await store?.close()
    await medium?.stop()
  })

  const newUser = () => `user ${users++}`

  /** Of all that is there, what lives and is this user's. */
  async function living(userId: string): Promise<string[]> {
    const ids = await medium.ids()
    const loaded = await Promise.all(ids.map(id => store.load(id)))
    return ids.filter((_, at) => loaded[at]?.record.userId === userId).sort()
  }

  it.each(Object.keys(jobs))(
    'hold when a process is killed before any step of %s',
    async job => {
      let next = Worker.start(medium.place)
      let deaths = 0
      for (let dieAt = 1; ; dieAt++) {
        const worker = await next
        next = Worker.start(medium.place)
        const userId = newUser()
        const tokens: string[] = []
        for (let n = 0; n < 3; n++) tokens.push((await store.create(recordOf(userId))).token)
        const { maxPerUser = 0, ...rest } = jobs[job]?.(tokens) ?? { kind: 'rest' as const }
        const done = worker.ask({ ...rest, userId, maxPerUser, dieAt }).then(() => true)
        const acknowledged = await Promise.race([done, worker.exited.then(() => false)])
        worker.kill()
        await worker.exited
        const at = `killed before step ${dieAt}`
        const live = await living(userId)
        expect(await listed(store, userId), at).toEqual(live)
        if (maxPerUser > 0) expect(live.length, at).toBeLessThanOrEqual(maxPerUser)
        if (acknowledged && rest.kind === 'end-all') expect(live, at).toEqual([])
        // Another process goes on: nobody is kept out, and all can be ended.
        const { token } = await store.create(recordOf(userId), { maxPerUser: 1, onMaxPerUser: 'end-oldest' })
        expect(await living(userId), at).toEqual([token])
        expect(await listed(store, userId), at).toEqual([token])
        expect(await store.destroyByUser(userId), at).toBe(1)
        expect(await living(userId), at).toEqual([])
        if (medium.place.directory !== undefined) expect(entriesIn(medium.place.directory), at).toEqual([])
        if (acknowledged) break
        deaths++
      }
      ;(await next).kill()
      process.stdout.write(`R7 R8 ${name}: killed before each of ${deaths} steps of ${job}\n`)
      expect(deaths).toBeGreaterThan(1)
    },
    240_000,
  )

  it('hold while 4 processes sign in, regenerate and sign out, and some are killed', async () => {
    const userId = newUser()
    let rounds = 0
    for (; rounds < 3; rounds++) {
      const workers = await Promise.all(Array.from({ length: 4 }, () => Worker.start(medium.place)))
      for (const worker of workers) await worker.ask({ kind: 'churn', userId }).catch(() => undefined)
      await sleep(300)
      workers[0]?.kill()
      const roots = new Set(workers.flatMap(({ came }) => came.map(({ root }) => root)))
      await store.destroyByUser(userId)
      const [, ...alive] = workers
      await Promise.all(alive.map(worker => worker.ask({ kind: 'rest', userId })))
      const before = workers.flatMap(({ came }) => came.filter(({ root }) => roots.has(root)))
      const loaded = await Promise.all(before.map(({ token }) => store.load(token)))
      expect(before.length).toBeGreaterThan(0)
      expect(loaded.filter(each => each !== null)).toEqual([])
      expect(await listed(store, userId)).toEqual(await living(userId))
      for (const worker of alive) worker.kill()
    }
    await store.destroyByUser(userId)
    expect(await living(userId)).toEqual([])
  }, 240_000)
})

/** What the index of all users has. */
function entriesIn(directory: string): string[] {
  const files = readdirSync(join(directory, 'users'), { recursive: true, withFileTypes: true })
  return files.filter(file => file.isFile() && /^[0-9a-f]{64}$/.test(file.name)).map(({ name }) => name)
}
