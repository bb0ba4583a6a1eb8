/** A process of its own on a folder: does what its parent asks and answers with the result. */
import { hashOf } from '../src/bucket-files.ts'
import { filesystemStore } from '../src/index.ts'
import { FolderLocks } from '../src/locks.ts'

const [directory = '', threshold = '0', durable = 'false'] = process.argv.slice(2)
const warnings: string[] = []
const logger = {
  info: () => {},
  warn: (text: string) => warnings.push(text),
  error: (text: string) => warnings.push(text),
}
const store = filesystemStore({
  directory,
  threshold: Number(threshold),
  durable: durable === 'true',
  logger,
})

export interface Job {
  readonly token: string
  readonly kind:
    | 'keys'
    | 'counter'
    | 'create'
    | 'destroy'
    | 'forever'
    | 'hold'
    | 'release'
    | 'lock'
    | 'warnings'
  readonly count: number
  /** Makes keys distinct among workers. */
  readonly name: string
}

const jobs: Record<Job['kind'], (job: Job) => Promise<unknown>> = {
  /** Sets `count` keys of its own at once; answers how many were acknowledged. */
  async keys({ token, count, name }) {
    const all = Array.from({ length: count }, (_, i) => store.update(token, { set: { [`${name}-${i}`]: i } }))
    return (await Promise.all(all)).filter(({ status }) => status === 'written').length
  },
  /** Counts up `count` times with guarded updates. */
  async counter({ token, count }) {
    for (let done = 0; done < count; ) {
      const loaded = await store.load(token)
      if (!loaded) throw new Error('no session')
      const n = Number(loaded.record.data.n ?? 0) + 1
      const { status } = await store.update(token, { set: { n }, expectedVersion: loaded.version })
      if (status === 'written') done++
    }
    return count
  },
  async create({ count }) {
    const tokens = []
    for (let i = 0; i < count; i++) {
      const now = Date.now()
      tokens.push((await store.create({ data: {}, createdAt: now, expiresAt: now + 3_600_000 })).token)
    }
    return tokens
  },
  async destroy({ token }) {
    await store.destroy(token)
  },
  /** Writes without end and tells each acknowledged write, until somebody kills the process. */
  async forever({ token, name }) {
    for (let i = 0; ; i++) {
      const { status } = await store.update(token, { set: { [name]: i } })
      if (status !== 'written') return i
      process.send?.({ acknowledged: i })
    }
  },
  async hold({ token }) {
    store.hold(token)
    return (await store.load(token)) !== null
  },
  async release({ token }) {
    store.release(token)
  },
  /** Takes the session's write lock and keeps it. */
  async lock({ token }) {
    return new FolderLocks(directory).try('write', hashOf(`session:${token}`))
  },
  async warnings() {
    return warnings
  },
}

process.on('message', ({ kind, ...job }: Job) => {
  jobs[kind]({ kind, ...job }).then(
    result => process.send?.({ result: result ?? null }),
    (error: unknown) => process.send?.({ error: String(error) }),
  )
})
process.on('disconnect', () => process.exit())
await store.health()
process.send?.({ result: 'ready' })
