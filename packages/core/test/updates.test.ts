import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Data } from '../src/change.ts'
import { memoryStore } from '../src/memory.ts'
import { Snapshot } from '../src/snapshot.ts'
import type { SessionChange, SessionStore } from '../src/store.ts'
import { knownFrom, type StoredUpdateJob, type UpdateStore, Updates } from '../src/updates.ts'

const later = 60_000

async function newSession(store: SessionStore, data: Data = {}): Promise<string> {
  const now = Date.now()
  return (await store.create({ data, createdAt: now, expiresAt: now + later })).token
}

/** A job whose request has seen an empty session. */
function job(change: (data: Data) => unknown, more: Partial<StoredUpdateJob> = {}): StoredUpdateJob {
  const seen = { state: Snapshot.empty, version: undefined }
  return { seen, own: {}, change, deadline: Date.now() + later, ...more }
}

async function seenBy(store: SessionStore, token: string): Promise<StoredUpdateJob['seen']> {
  return knownFrom(await store.load(token)) ?? { state: Snapshot.empty, version: undefined }
}

function count(data: Data): number {
  const next = Number(data.n ?? 0) + 1
  data.n = next
  return next
}

/** Counts the calls, and lets another process be faster as often as told. */
function counting(store: SessionStore, before: (change: SessionChange) => unknown = () => undefined) {
  const calls = { load: 0, update: 0 }
  const wrapped: UpdateStore = {
    load(token) {
      calls.load++
      return store.load(token)
    },
    async update(token, change) {
      calls.update++
      await before(change)
      return store.update(token, change)
    },
  }
  return { calls, updates: new Updates(wrapped, Date.now) }
}

describe('updates of one session', () => {
  test('100 at once: each counts once, in a few writes', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const { updates, calls } = counting(store)
    const results = await Promise.all(Array.from({ length: 100 }, () => updates.run(token, job(count))))
    expect(results.map(({ value }) => value)).toEqual(Array.from({ length: 100 }, (_, at) => at + 1))
    expect((await store.load(token))?.record.data).toEqual({ n: 100 })
    expect(calls.update).toBeLessThan(5)
  })

  test('each sees what it left, and knows its version only if it looked at all and was the last of a write', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const { updates } = counting(store)
    const countAll = (data: Data) => Object.keys(data) && count(data)
    const results = await Promise.all([1, 2, 3].map(() => updates.run(token, job(countAll))))
    expect(results.map(({ state }) => state.data())).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }])
    const stands = await store.load(token)
    // The first went alone, the other two together.
    expect(results.map(({ version }) => version)).toEqual([expect.any(String), undefined, stands?.version])
    expect((await updates.run(token, job(count))).version).toBeUndefined()
  })

  test('a stale guess costs another try, never an update', async () => {
    const store = memoryStore()
    const token = await newSession(store, { n: 1 })
    const seen = await seenBy(store, token)
    await store.update(token, { set: { n: 5 } })
    const { updates } = counting(store)
    expect((await updates.run(token, job(count, { seen }))).value).toBe(6)
  })

  test.each<[string, (data: Data) => unknown, number]>([
    ['reads', data => data.theirs, 4],
    ['asks for, with in,', data => 'theirs' in data, 4],
    ['asks for, with hasOwn,', data => Object.hasOwn(data, 'theirs'), 4],
    ['removes, having read it,', data => data.theirs && delete data.theirs, 4],
    ['lists with all others', data => Object.keys(data), 4],
    ['copies with all others', data => ({ ...data }), 4],
    ['does not look at', () => undefined, 1],
    ['sets without looking', data => Object.assign(data, { theirs: 'mine' }), 1],
    ['removes, though it is not there,', data => delete data.theirs, 2],
  ])('another process is faster, three times, with a key that the function %s', async (_how, look, times) => {
    const store = memoryStore()
    const token = await newSession(store)
    let races = 3
    const { updates } = counting(store, async () => {
      if (races-- > 0) await store.update(token, { set: { theirs: races } })
    })
    let runs = 0
    const looking = (data: Data) => {
      runs++
      look(data)
      return count(data)
    }
    await updates.run(token, job(looking, { seen: await seenBy(store, token) }))
    expect(runs).toBe(times)
    expect((await store.load(token))?.record.data.n).toBe(1)
  })

  test('I2: of two that set a key without looking, and back, the last one stands', async () => {
    const store = memoryStore()
    const token = await newSession(store, { open: false })
    const seen = await seenBy(store, token)
    await store.update(token, { set: { open: 'by another process' } })
    const { updates } = counting(store)
    const set = (open: boolean) =>
      updates.run(
        token,
        job(data => Object.assign(data, { open }) && undefined, { seen }),
      )
    // The first goes alone, the other two together, on what the first knew.
    const warmUp = updates.run(
      token,
      job(data => Object.assign(data, { other: 1 }) && undefined, { seen }),
    )
    await Promise.all([warmUp, set(true), set(false)])
    expect((await store.load(token))?.record.data.open).toBe(false)
  })

  test('a function that returns the data resolves with what stands in the store', async () => {
    const store = memoryStore()
    const token = await newSession(store, { other: 'old' })
    const seen = await seenBy(store, token)
    await store.update(token, { set: { other: 'new' } })
    const { updates } = counting(store)
    expect(
      (
        await updates.run(
          token,
          job(data => data, { seen }),
        )
      ).value,
    ).toEqual({ other: 'new' })
    await store.update(token, { set: { flash: { info: ['hello'] }, cookie: { maxAge: 5 } } })
    const setAndReturn = (data: Data) => Object.assign(data, { n: 1 })
    expect((await updates.run(token, job(setAndReturn, { seen }))).value).toEqual({ other: 'new', n: 1 })
  })

  test('C2: a function whose keys nobody else changes never loses, and nobody loses by it', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    let n = 0
    const { updates, calls } = counting(store, () => store.update(token, { set: { [`key-${n++}`]: n } }))
    for (let i = 0; i < 50; i++) await updates.run(token, job(count, { seen: await seenBy(store, token) }))
    expect(calls.update).toBe(50)
    const data: Data = { ...(await store.load(token))?.record.data }
    expect([data.n, Object.keys(data).length]).toEqual([50, 51])
  })

  test('what it hands back may be its data', async () => {
    const store = memoryStore()
    const { updates } = counting(store)
    const { value } = await updates.run(
      await newSession(store),
      job(data => Object.assign(data, { a: 1 })),
    )
    expect(structuredClone(value)).toEqual({ a: 1 })
  })

  test('one that throws stores nothing, and does not harm the others', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const { updates } = counting(store)
    const failing = job(data => {
      data.n = 99
      throw new RangeError('mine')
    })
    const results = await Promise.allSettled(
      [job(count), failing, job(count)].map(each => updates.run(token, each)),
    )
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(results[1]).toMatchObject({ reason: expect.any(RangeError) })
    expect((await store.load(token))?.record.data).toEqual({ n: 2 })
  })

  test('what a function goes on changing after its end is in no session', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const slow = () => new Promise(done => setTimeout(done, 10))
    const { updates } = counting(store, slow)
    const { state } = await updates.run(
      token,
      job(data => {
        count(data)
        setImmediate(() => Object.assign(data, { late: 1 }))
      }),
    )
    expect(state.data()).toEqual({ n: 1 })
    expect((await store.load(token))?.record.data).toEqual({ n: 1 })
  })

  test('C2: gone is gone, for one that changes nothing as well, and no session is created', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const seen = await seenBy(store, token)
    await store.destroy(token)
    const { updates } = counting(store)
    for (const each of [job(count), job(count, { seen }), job(() => undefined, { seen })]) {
      await expect(updates.run(token, each)).rejects.toMatchObject({ code: 'ERR_SESSION_GONE', status: 409 })
    }
    expect(await store.load(token)).toBeNull()
  })

  test('one that changes nothing writes nothing, but has seen what stands', async () => {
    const store = memoryStore()
    const token = await newSession(store, { n: 1 })
    const seen = await seenBy(store, token)
    await store.update(token, { set: { n: 2 } })
    const { updates, calls } = counting(store)
    expect(
      (
        await updates.run(
          token,
          job(data => data.n, { seen }),
        )
      ).value,
    ).toBe(2)
    expect(calls.update).toBe(0)
  })

  test('whoever loses until its deadline gets ERR_SESSION_CONFLICT, and nothing is stored', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    let n = 0
    const { updates } = counting(store, () => store.update(token, { set: { n: -1 - n++ } }))
    const deadline = Date.now() + 60
    await expect(updates.run(token, job(count, { deadline }))).rejects.toMatchObject({
      code: 'ERR_SESSION_CONFLICT',
    })
    expect((await store.load(token))?.record.data.n).toBeLessThan(0)
  })

  test('a store that fails fails the batch, not those who come later', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    let down = true
    const { updates } = counting(store, () => (down ? Promise.reject(new Error('down')) : undefined))
    const failed = await Promise.allSettled([updates.run(token, job(count)), updates.run(token, job(count))])
    expect(failed.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    down = false
    expect((await updates.run(token, job(count))).value).toBe(1)
  })

  test('I6: a function that never ends is an error at its deadline, has no effect later, and blocks nobody after it', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const { updates } = counting(store)
    const held: Data[] = []
    const stuck = job(() => undefined, {
      change: data => {
        held.push(data)
        return new Promise(() => undefined)
      },
      deadline: Date.now() + 30,
    })
    await expect(updates.run(token, stuck)).rejects.toMatchObject({ status: 503 })
    Object.assign(held[0] ?? {}, { n: 99 })
    expect((await updates.run(token, job(count))).value).toBe(1)
  })

  test('I6: whoever waits for a write that hangs is answered at the deadline', async () => {
    const store = memoryStore()
    const token = await newSession(store)
    const { updates } = counting(store, () => new Promise(() => undefined))
    const deadline = Date.now() + 20
    const both = [updates.run(token, job(count, { deadline })), updates.run(token, job(count, { deadline }))]
    for (const waiting of both) await expect(waiting).rejects.toMatchObject({ status: 503 })
  })

  test('Property: any mix of two processes that count and add keys loses nothing', async () => {
    const step = fc.record({
      process: fc.nat(1),
      add: fc.option(fc.constantFrom('a', 'b', 'c')),
      wait: fc.nat(3),
    })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 25 }), async steps => {
        const store = memoryStore()
        const token = await newSession(store)
        const slow = () => new Promise(done => setImmediate(done))
        const processes = [counting(store, slow).updates, counting(store, slow).updates]
        const running = []
        for (const { process, add, wait } of steps) {
          const change = (data: Data) => {
            if (add) data[add] = Number(data[add] ?? 0) + 1
            return count(data)
          }
          running.push(processes[process]?.run(token, job(change)))
          for (let turn = 0; turn < wait; turn++) await slow()
        }
        const values = (await Promise.all(running)).map(result => Number(result?.value))
        expect(values.sort((a, b) => a - b)).toEqual(steps.map((_, at) => at + 1))
        const data = (await store.load(token))?.record.data ?? {}
        for (const key of ['a', 'b', 'c'])
          expect(data[key] ?? 0).toBe(steps.filter(({ add }) => add === key).length)
        await store.close()
      }),
      { numRuns: 60 },
    )
  })
})
