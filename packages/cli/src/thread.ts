import { parentPort, workerData } from 'node:worker_threads'
import { stopMessage } from './messages.ts'
import type { Plan } from './plan.ts'
import { Serving } from './serving.ts'

/** One thread of a worker process: serves the module, ends when it is told to. */
const { plan, socket }: { plan: Plan; socket: number | undefined } = workerData
const serving = new Serving(plan, socket, message => parentPort?.postMessage(message))

parentPort?.on('message', message => {
  if (message === stopMessage) serving.stop().then(process.exit, () => process.exit(1))
})

if (!(await serving.start())) process.exit(1)
