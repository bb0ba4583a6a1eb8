import fc from 'fast-check'
import { expect, test } from 'vitest'
import { openSessions, type Session } from '../src/index.ts'
import { memoryStore } from '../src/memory.ts'

type Data = Record<string, unknown>

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }
const keys = ['a', 'b', 'c']

/** What a handler may give to `update`. */
const changes = {
  sets: (data: Data, key: string, mark: string) => void Object.assign(data, { [key]: mark }),
  appends: (data: Data, key: string, mark: string) =>
    void Object.assign(data, { [key]: `${data[key] ?? ''}${mark}` }),
  removes: (data: Data, key: string) => void delete data[key],
  looks: (data: Data, key: string) => void String(data[key]),
  counts: (data: Data) => void Object.assign(data, { count: Object.keys(data).length }),
  nothing: () => undefined,
} satisfies Record<string, (data: Data, key: string, mark: string) => void>

const command = fc.record({
  /** Which of the requests that are open at the same time. */
  request: fc.nat(2),
  what: fc.constantFrom('set', 'delete', 'save', 'commit', 'regenerate', ...typedKeys(changes)),
  key: fc.constantFrom(...keys),
})

function typedKeys<T extends object>(object: T): (keyof T)[] {
  return Object.keys(object) as (keyof T)[]
}

test.each(['last-wins', 'reject'] as const)(
  'Property: I2 C2: what stands is what requests side by side have changed, and nothing that they merely had seen: %s',
  async conflict => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 3, maxLength: 14 }), async commands => {
        const secret = 'a secret of the tests, long enough for production'
        const sessions = await openSessions({
          store: memoryStore(),
          secret,
          env: {},
          logger: silent,
          conflict,
        })
        let cookie: string | undefined
        const begin = async () => {
          const request = sessions.begin(cookie)
          await request.load()
          /** What it has changed and not stored yet; `undefined` for a key that it removed. */
          const own = new Map<string, unknown>()
          const data = request.session as Session & Data
          return { request, data, own, seen: new Map(Object.entries(data)) }
        }
        const first = await begin()
        Object.assign(first.data, { a: 'a0', b: 'b0' })
        await first.request.commit()
        cookie = first.request.setCookie?.split(';')[0]
        let stands: Data = { a: 'a0', b: 'b0' }
        const open = await Promise.all([begin(), begin(), begin()])

        for (const [at, { request: index, what, key }] of commands.entries()) {
          const current = open[index]
          if (current === undefined) throw new Error('no request')
          const { request, data, own, seen } = current
          const mark = `${what}${at}`
          if (what === 'set') {
            data[key] = mark
            own.set(key, mark)
          } else if (what === 'delete') {
            // What it set itself, and nobody saw, was never there.
            if (seen.has(key)) own.set(key, undefined)
            else own.delete(key)
            delete data[key]
          } else {
            const next = { ...stands }
            for (const [changed, value] of own) {
              if (value === undefined) delete next[changed]
              else next[changed] = value
            }
            const change = what in changes ? changes[what as keyof typeof changes] : undefined
            const done =
              what === 'save'
                ? data.save()
                : what === 'commit'
                  ? (request.commit() ?? Promise.resolve())
                  : what === 'regenerate'
                    ? data.regenerate({ userId: 'ada' })
                    : data.update(draft => change?.(draft, key, mark))
            const outcome = await done.then(
              () => 'done',
              (error: { code?: string }) => error.code,
            )
            const isLate = [...own.keys()].some(each => stands[each] !== seen.get(each))
            expect(outcome).toBe(conflict === 'reject' && isLate ? 'ERR_SESSION_CONFLICT' : 'done')
            if (outcome === 'done') {
              change?.(next, key, mark)
              stands = next
            }
            own.clear()
            seen.clear()
            for (const [each, value] of Object.entries(data)) seen.set(each, value)
            if (what === 'regenerate' && outcome === 'done') {
              await request.commit()
              cookie = request.setCookie?.split(';')[0]
              open.splice(0, 3, await begin(), await begin(), await begin())
            } else if (what === 'commit' || outcome !== 'done') open[index] = await begin()
          }
          const look = await begin()
          expect({ ...look.data }).toEqual(stands)
        }
        await sessions.close()
      }),
      { numRuns: 400 },
    )
  },
)
