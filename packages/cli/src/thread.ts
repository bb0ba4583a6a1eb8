import { parentPort, workerData } from 'node:worker_threads'
import { listenMessage, loadedMessage, retireMessage, stopMessage } from './messages.ts'
import type { Plan } from './plan.ts'
import { Serving } from './serving.ts'

/** One thread of a worker process: serves the module, ends when it is told to. */
const { plan, place }: { plan: Plan; place: number } = workerData
const serving = new Serving(plan, place, message => parentPort?.postMessage(message))

const told = new Promise<void>(resolve => {
  parentPort?.on('message', message => {
    if (message === listenMessage) resolve()
    if (message === stopMessage || message === retireMessage)
      serving.stop(message === stopMessage).then(process.exit, () => process.exit(1))
  })
})

const mayListen = () => {
  parentPort?.postMessage(loadedMessage)
  return told
}

if (!(await serving.start(mayListen))) process.exit(1)
