import { surviveLostReaders } from './lost-readers.ts'
import { type FromWorker, isAdopt, retireMessage, stopMessage } from './messages.ts'
import { toPlan } from './plan.ts'
import { Serving } from './serving.ts'
import { Threads } from './threads.ts'

/** One worker process: serves the module itself or by threads, and ends when the primary says so. Argument: the plan. */
const plan = toPlan(process.argv[2] ?? '')
const serving =
  plan.threads === null
    ? new Serving(plan, plan.place, message => process.send?.(message))
    : new Threads(plan, plan.threads, message => process.send?.(message))

surviveLostReaders()

// Ctrl-C in a terminal, or its end, reaches the workers too: the primary decides. SIGTERM means this worker alone.
process.on('SIGINT', () => undefined)
process.on('SIGHUP', () => undefined)
process.on('SIGTERM', () => {
  process.send?.({ sojourn: 'leaving', cause: 'others' } satisfies FromWorker)
  stop(false)
})
process.on('message', message => {
  if (message === stopMessage) stop(true)
  else if (message === retireMessage) stop(false)
  else if (isAdopt(message) && serving instanceof Serving) serving.adopt(message.place).catch(() => end(1))
})

if (!(await serving.start())) end(1)

function stop(soon: boolean): void {
  serving.stop(soon).then(end, () => end(1))
}

/** What it told last has to leave first. */
function end(code: number): void {
  if (process.connected) process.send?.('', undefined, undefined, () => process.exit(code))
  else process.exit(code)
}
