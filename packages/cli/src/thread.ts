import { parentPort, workerData } from 'node:worker_threads'
import { retireMessage, stopMessage } from './messages.ts'
import type { Plan } from './plan.ts'
import { Serving } from './serving.ts'

/** One thread of a worker process: serves the module, ends when it is told to. */
const { plan, place }: { plan: Plan; place: number } = workerData
const serving = new Serving(plan, place, message => parentPort?.postMessage(message))

parentPort?.on('message', message => {
  if (message === stopMessage || message === retireMessage)
    serving.stop(message === stopMessage).then(process.exit, () => process.exit(1))
})

if (!(await serving.start())) process.exit(1)
