import { setTimeout as sleep } from 'node:timers/promises'
import { beforeAll, describe, expect, it } from 'vitest'
import { type Reply, type Server, startServer } from './serving.ts'

/** Runs `count` requests, `burst` at a time. */
async function inBursts(
  count: number,
  burst: number,
  request: (i: number) => Promise<Reply>,
): Promise<Reply[]> {
  const replies: Reply[] = []
  for (let from = 0; from < count; from += burst) {
    const length = Math.min(burst, count - from)
    replies.push(...(await Promise.all(Array.from({ length }, (_, i) => request(from + i)))))
  }
  return replies
}

/** How often each status came. */
function statuses(replies: readonly Reply[]): Record<number, number> {
  const counts: Record<number, number> = {}
  for (const { status } of replies) counts[status] = (counts[status] ?? 0) + 1
  return counts
}

const loads = [
  ['over 64 connections', 2000, 'few'],
  ['in bursts of 300', 300, 'burst'],
] as const

describe.each([['express-app.ts'], ['koa-app.ts']])('four workers on one folder: %s', app => {
  let server: Server
  beforeAll(async () => {
    server = await startServer(app)
  })

  it('a user who is signed in is so in every worker', async () => {
    const cookie = await server.signIn()
    const replies = await inBursts(200, 64, () => server.get('/', cookie))
    expect(statuses(replies)).toEqual({ 200: 200 })
    expect(new Set(replies.map(({ body }) => body.userId))).toEqual(new Set(['ada']))
    expect(new Set(replies.map(({ body }) => body.pid)).size).toBe(4)
  })

  it.each(loads)(
    'C2: 2,000 requests set a key each on one session, %s: all are there',
    async (_, size, over) => {
      const cookie = await server.signIn()
      const replies = await inBursts(2000, size, i => server.get(`/set?key=${i}`, cookie, over))
      expect(statuses(replies)).toEqual({ 200: 2000 })
      const { body } = await server.get('/data', cookie)
      expect(Object.keys(body)).toHaveLength(2000)
    },
  )

  it.each(loads)('C2: 2,000 updates count up, %s: none is refused, none is lost', async (_, size, over) => {
    const cookie = await server.signIn()
    const replies = await inBursts(2000, size, () => server.get('/count', cookie, over))
    expect(statuses(replies)).toEqual({ 200: 2000 })
    expect(new Set(replies.map(({ body }) => body.count)).size).toBe(2000)
    expect((await server.get('/data', cookie)).body).toEqual({ count: 2000 })
  })

  it('C2: 2,000 requests set keys and count in turn on one session that has 2,000 already: nothing is refused or lost', async () => {
    const cookie = await server.signIn()
    await inBursts(2000, 64, i => server.get(`/set?key=${i}`, cookie))
    const paths = (i: number) => (i % 2 ? '/count' : `/set?key=more-${i}`)
    const replies = await inBursts(2000, 64, i => server.get(paths(i), cookie))
    expect(statuses(replies)).toEqual({ 200: 2000 })
    const { body } = await server.get('/data', cookie)
    expect([body.count, Object.keys(body).length]).toEqual([1000, 3001])
  })

  it('C4: a sign-out while 50 requests are in flight stays a sign-out, 100 times of 100', async () => {
    for (let round = 0; round < 100; round++) {
      const cookie = await server.signIn()
      const inFlight = inBursts(50, 50, i => server.get(`/slow-set?key=${i}`, cookie))
      await sleep(Math.random() * 30)
      const signedOut = await server.get('/sign-out', cookie)
      expect(signedOut.status).toBe(200)
      const { body } = await server.get('/', cookie)
      expect(body.userId).toBeNull()
      const replies = await inFlight
      for (const { status } of replies) expect([200, 409]).toContain(status)
      for (const { body } of await inBursts(4, 4, () => server.get('/', cookie)))
        expect(body.userId).toBeNull()
    }
  })

  it('R25: 1,000 anonymous page views create no file and set no cookie', async () => {
    const before = server.stored
    const replies = await inBursts(1000, 64, i => server.get(i % 2 ? '/' : '/anonymous'))
    expect(statuses(replies)).toEqual({ 200: 1000 })
    expect(replies.filter(({ cookie }) => cookie !== undefined)).toEqual([])
    expect(server.stored).toBe(before)
  })
})

describe('1,500 sign-ins with threshold 1000', () => {
  it('leave at most 1000, never more than a tenth over it, and the log says how many live ones went', async () => {
    const server = await startServer('express-app.ts', { SESSION_FILE_THRESHOLD: '1000' })
    let most = 0
    for (let batch = 0; batch < 30; batch++) {
      await inBursts(50, 50, i => server.get(`/sign-in?key=user-${batch}-${i}`))
      most = Math.max(most, server.stored)
    }
    expect(most).toBeLessThanOrEqual(1100)
    for (let i = 0; server.stored > 1000 && i < 500; i++) await sleep(10)
    expect(server.stored).toBeLessThanOrEqual(1000)
    const said = () =>
      server.output.reduce((sum, line) => sum + Number(/ended (\d+) live/.exec(line)?.[1] ?? 0), 0)
    for (let i = 0; said() < 1500 - server.stored && i < 500; i++) await sleep(10)
    expect(said()).toBe(1500 - server.stored)
  })
})
