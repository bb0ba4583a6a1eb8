import cluster from 'node:cluster'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { explain } from './explain.ts'
import { GracefulServer } from './graceful-server.ts'
import { type App, loadApp } from './load-app.ts'
import { type FromWorker, stopMessage } from './messages.ts'
import { relayConsole } from './relay-console.ts'
import { answerLimitMs } from './stop-limits.ts'

/** One worker process: loads the module, serves it, ends when the primary says so. Arguments: URL, port, host. */
const [url = '', port = '', host] = process.argv.slice(2)

let serving: { app: App; server: GracefulServer } | undefined
let stopping = false

// Ctrl-C in a terminal reaches the workers too: the primary decides. SIGTERM means this worker alone.
process.on('SIGINT', () => undefined)
process.on('SIGTERM', stop)
process.on('message', message => {
  if (message === stopMessage) stop()
})

const restoreConsole = relayConsole((to, text) => tell({ sojourn: 'said', to, text }))
try {
  serving = await start()
  restoreConsole()
} catch (error) {
  restoreConsole()
  tell({ sojourn: 'failed', message: explain(error) }, () => process.exit(1))
}

async function start(): Promise<{ app: App; server: GracefulServer }> {
  // The application is the main module, to itself and to whoever looks for packages beside it.
  process.argv.splice(1, process.argv.length, fileURLToPath(url))
  const app = await loadApp(url)
  const server = new GracefulServer()
  server.on('request', app.listener)
  server.listen({ port: Number(port), ...(host !== undefined && { host }) })
  await once(server, 'listening')
  const shared = app.sessions?.store.supports.sharedAcrossProcesses
  tell({ sojourn: 'ready', ...(shared !== undefined && { shared }) })
  return { app, server }
}

function stop(): void {
  if (stopping) return
  stopping = true
  // Still starting: there is nothing to finish.
  if (serving === undefined) process.exit(0)
  finish(serving).then(
    code => process.exit(code),
    (error: unknown) => {
      process.stderr.write(`The application's close failed: ${explain(error)}\n`)
      process.exit(1)
    },
  )
}

async function finish({ app, server }: { app: App; server: GracefulServer }): Promise<number> {
  const cut = await server.stop(answerLimitMs)
  if (cut > 0)
    process.stderr.write(`${cut} requests took longer than ${answerLimitMs / 1000} s and were cut.\n`)
  await app.close()
  return cut > 0 ? 1 : 0
}

/** Without a primary, which ends the worker anyway, there is nobody to tell. */
function tell(message: FromWorker, done?: () => void): void {
  if (cluster.isWorker) process.send?.(message, undefined, undefined, () => done?.())
}
