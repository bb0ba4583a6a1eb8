/** One of several processes with sessions on one store: does random operations on those that its parent names. */
import { setTimeout as sleep } from 'node:timers/promises'
import { HistoryRecorder } from '@sojourn/conformance/history'
import { openSessions } from '@sojourn/core'
import { type NamedSession, SessionClient } from './session-client.ts'

/** What a parent asks for; a new one takes the place of the one before. */
export interface Work {
  readonly sessions: readonly NamedSession[]
  /** How many operations; without it, as many as it takes until the next work. */
  readonly count?: number
  /** Milliseconds between two of them. */
  readonly pause?: number
  /** Which of its operations ends the session that it comes to. */
  readonly destroyAt?: number
}

const loops = 4
const [name = '', history = '', options = '{}'] = process.argv.slice(2)
const quiet = { info: () => {}, warn: () => {}, error: () => {} }
const client = new SessionClient(
  await openSessions({ logger: quiet, storeTimeout: 2000, ...JSON.parse(options) }),
  new HistoryRecorder(history, name),
)
let current: Work | undefined
let last = Promise.resolve()

async function carryOut(work: Work): Promise<void> {
  const { sessions, count = Number.POSITIVE_INFINITY, pause, destroyAt } = work
  let begun = 0
  const loop = async () => {
    while (begun < count && current === work) {
      const kind = begun++ === destroyAt ? 'destroy' : oneOf(['load', 'set', 'append'] as const)
      await client.run(kind, oneOf(sessions))
      if (pause !== undefined) await sleep(pause)
    }
  }
  await Promise.all(Array.from({ length: loops }, loop))
}

function oneOf<T>(all: readonly T[]): T {
  const one = all[Math.floor(Math.random() * all.length)]
  if (one === undefined) throw new Error('nothing to choose from')
  return one
}

process.on('message', ({ number, work }: { number: number; work: Work }) => {
  current = work
  last = last.then(() => carryOut(work)).then(() => void process.send?.(number))
})
process.on('disconnect', () => process.exit())
process.send?.(0)
