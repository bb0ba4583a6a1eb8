import { once } from 'node:events'
import { closeSync } from 'node:fs'
import { explain, explainListen, ListenFailure } from './explain.ts'
import { GracefulServer } from './graceful-server.ts'
import { type App, loadApp } from './load-app.ts'
import type { FromWorker } from './messages.ts'
import type { Plan } from './plan.ts'
import { relayConsole } from './relay-console.ts'
import { inherited } from './sockets.ts'

/** A module that is served, by a process or by a thread of one, from loading it to closing what it opened. */
export class Serving {
  readonly #plan: Plan
  readonly #place: number
  /** By the places whose sockets they accept from: first its own. */
  readonly #servers = new Map<number, GracefulServer>()
  readonly #tell: (message: FromWorker) => void
  #app: App | undefined
  #stopping: Promise<number> | undefined

  /** @param place whose socket it accepts from */
  constructor(plan: Plan, place: number, tell: (message: FromWorker) => void) {
    this.#plan = plan
    this.#place = place
    this.#tell = tell
  }

  /**
   * @param mayListen is called when the module is loaded
   * @returns whether it serves; if not, the primary was told why
   */
  async start(mayListen?: () => Promise<void>): Promise<boolean> {
    const { url, listen } = this.#plan
    const say = (to: 'stdout' | 'stderr', text: string) => this.#tell({ sojourn: 'said', to, text })
    const restoreConsole = relayConsole(say)
    try {
      // The plan is nothing to the application.
      process.argv.splice(2)
      const app = await loadApp(url, listen, text => say('stderr', text))
      this.#app = app
      await mayListen?.()
      await this.#listen(app, this.#place)
      this.#tell(readyOf(app))
      return true
    } catch (error) {
      this.#tell({ sojourn: 'failed', message: explain(error) })
      return false
    } finally {
      restoreConsole()
    }
  }

  /**
   * Lets what runs finish, then closes the application.
   *
   * @param soon whether connections that wait for a next request wait for less than they were promised
   * @returns the exit code: 0 if nothing was cut
   */
  stop(soon: boolean): Promise<number> {
    this.#stopping ??= this.#finish(soon)
    return this.#stopping
  }

  /** Accepts what comes to another's socket too: nobody else does until that one is replaced. */
  async adopt(place: number): Promise<void> {
    const isTaken = this.#servers.has(place) || this.#plan.listen.fds[place] === undefined
    if (this.#app === undefined || isTaken || this.#stopping) return
    await this.#listen(this.#app, place)
  }

  async #listen({ listener }: App, place: number): Promise<void> {
    const { limits, listen } = this.#plan
    const { port, host, fds } = listen
    const server = new GracefulServer(limits)
    server.on('request', listener)
    this.#servers.set(place, server)
    const socket = fds[place]
    try {
      if (socket !== undefined) server.listen(inherited(socket))
      else server.listen({ port, ...(host !== undefined && { host }) })
      await once(server, 'listening')
    } catch (error) {
      throw new ListenFailure(explainListen(error))
    }
  }

  /** A socket takes connections as long as any process has a copy of it; threads of a process have one together. */
  #dropOthers(): void {
    const { threads, listen } = this.#plan
    if (threads !== null) return
    for (const [place, fd] of listen.fds.entries()) if (!this.#servers.has(place)) closeSync(fd)
  }

  /** While it still starts, there is nothing to finish. */
  async #finish(soon: boolean): Promise<number> {
    this.#dropOthers()
    const stops = await Promise.all([...this.#servers.values()].map(server => server.stop(soon)))
    const cut = stops.reduce((sum, count) => sum + count, 0)
    if (cut > 0)
      process.stderr.write(
        `${cut} requests took longer than ${this.#plan.limits.stop / 1000} s and were cut.\n`,
      )
    try {
      await this.#app?.close()
    } catch (error) {
      process.stderr.write(`The application's close failed: ${explain(error)}\n`)
      return 1
    }
    return cut > 0 ? 1 : 0
  }
}

function readyOf({ sessions, trustsProxy }: App): FromWorker {
  const facts = sessions.map(({ store, fingerprint, settings }) => {
    return { shared: store.supports.sharedAcrossProcesses, fingerprint, secure: settings.cookie.secure }
  })
  return { sojourn: 'ready', sessions: facts, trustsProxy }
}
