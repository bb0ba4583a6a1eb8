import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { Launcher } from '../serving.ts'
import { Fire } from './fire.ts'
import { onFiles, onRedis } from './stores.ts'

/** Of the clock that tells the date; timers go on as they are. */
function withClock(offset: string): Launcher {
  return ['env', 'DONT_FAKE_MONOTONIC=1', 'faketime', '-f', offset]
}

describe.each([
  ['filesystem', async () => onFiles()],
  ['redis', async () => (await onRedis()).env],
])('on %s', (store, environment) => {
  it('F1: four processes add keys, count up and sign out on one session at a time', async () => {
    const fire = await Fire.start(await environment())
    for (let round = 0; round < 40; round++) {
      const sessions = await fire.createSessions(1)
      const ends = fire.workers[round % fire.workers.length]
      const count = 125
      await Promise.all(
        fire.workers.map(worker =>
          worker.do({ sessions, count, ...(worker === ends && { destroyAt: 50 + round }) }),
        ),
      )
    }
    const history = fire.verify(`F1 ${store}`, '40 sign-outs in the midst of it')
    expect(history.length).toBeGreaterThanOrEqual(20_000)
    // Nobody asked for that, and an append is tried again until it fits.
    expect(history.filter(({ result }) => result === 'refused').slice(0, 5)).toEqual([])
  })

  it('F2: workers are killed at random moments, 100 times', async () => {
    const fire = await Fire.start(await environment())
    for (let killed = 0; killed < 100; ) {
      const sessions = await fire.createSessions(4)
      for (let wave = 0; wave < 2; wave++) {
        fire.work({ sessions }).catch(() => {})
        for (const worker of fire.workers) {
          await sleep(Math.random() * 50)
          await fire.kill(worker)
          killed++
        }
        await Promise.all([0, 1, 2, 3].map(() => fire.startWorker()))
      }
    }
    await fire.lookAtAll()
    fire.verify(`F2 ${store}`, '100 workers killed')
  })

  it('F9: the clocks of two workers are an hour off, twice the idle timeout: the others do not notice', async () => {
    const fire = await Fire.start(await environment(), { idleTimeout: 30 * 60_000 })
    const ahead = await fire.startWorker(withClock('+1h'))
    await fire.startWorker(withClock('-1h'))
    for (let round = 0; round < 5; round++) {
      await fire.work({ sessions: await fire.createSessions(1), count: 100 })
    }
    await fire.lookAtAll()
    // The clock of Redis counts for all; on files, to whoever is ahead, all sessions have expired.
    const apart = store === 'filesystem' ? ahead : undefined
    const history = fire.verify(`F9 ${store}`, 'one clock an hour ahead, one behind', { apart })
    const results = new Set(
      history.filter(({ process }) => process === ahead.name).map(({ result }) => result),
    )
    expect([...results]).toEqual([apart ? 'gone' : 'done'])
  })
})
