import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { filesystemStore } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'
import { startWorker } from './processes.ts'

const logger = { info: () => {}, warn: () => {}, error: () => {} }

async function openWithSession(data: Record<string, unknown> = {}) {
  const directory = temporaryFolder()
  const store = filesystemStore({ directory, threshold: 0, logger })
  const now = Date.now()
  const { token } = await store.create({ data, createdAt: now, expiresAt: now + 600_000 })
  return { directory, store, token }
}

describe('four processes on one folder', () => {
  it('C2: set 500 keys each on one session at once, and all 2,000 are there', async () => {
    const { directory, store, token } = await openWithSession()
    const workers = await Promise.all([0, 1, 2, 3].map(() => startWorker(directory)))
    const acknowledged = await Promise.all(
      workers.map((w, i) => w.ask('keys', { token, count: 500, name: `w${i}` })),
    )
    expect(acknowledged).toEqual([500, 500, 500, 500])
    expect(Object.keys((await store.load(token))?.record.data ?? {})).toHaveLength(2000)
    await store.close()
  })

  it('C2: count up one key with guarded updates, and no step is lost', async () => {
    const { directory, store, token } = await openWithSession({ n: 0 })
    const workers = await Promise.all([0, 1, 2, 3].map(() => startWorker(directory)))
    await Promise.all(workers.map(worker => worker.ask('counter', { token, count: 50 })))
    expect((await store.load(token))?.record.data.n).toBe(200)
    await store.close()
  })

  it('C4: a destroy in one ends the session for the writers in all others, for good', async () => {
    const { directory, store, token } = await openWithSession()
    const workers = await Promise.all([0, 1, 2].map(() => startWorker(directory)))
    const writing = workers.map((worker, i) => worker.ask('forever', { token, name: `w${i}` }))
    await Promise.all(workers.map(worker => once(worker.process, 'message')))
    await store.destroy(token)
    expect(await store.load(token)).toBeNull()
    await Promise.all(writing)
    expect(await store.load(token)).toBeNull()
    await store.close()
  })
})

describe('a process that is killed while it writes', () => {
  it('I2: loses nothing that it acknowledged, and never wedges the session, 20 times of 20', async () => {
    const { directory, store, token } = await openWithSession()
    for (let round = 0; round < 20; round++) {
      const worker = await startWorker(directory)
      let acknowledged = -1
      worker.process.on('message', message => {
        const { acknowledged: last } = message as { acknowledged?: number }
        if (last !== undefined) acknowledged = last
      })
      const name = `round-${round}`
      worker.ask('forever', { token, name }).catch(() => undefined)
      while (acknowledged < 2 + round) await once(worker.process, 'message')
      worker.process.kill('SIGKILL')
      await once(worker.process, 'exit')
      // An update needs the lock that the worker may have held.
      const after = await store.update(token, { set: { last: round } })
      expect(after.status).toBe('written')
      const loaded = await store.load(token)
      expect(loaded?.record.data[name]).toBeGreaterThanOrEqual(acknowledged)
    }
    await store.close()
  })
})
