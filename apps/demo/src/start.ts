import { parseArgs } from 'node:util'
import { guide, help } from './guide.ts'
import { freePortFrom } from './ports.ts'
import { Server } from './server.ts'

/** What `pnpm demo` runs: both servers, until a signal, or the end of one of them, ends both. */
async function start(): Promise<number> {
  const { values } = parseArgs({
    options: {
      store: { type: 'string' },
      server: { type: 'string', default: 'cluster' },
      workers: { type: 'string', default: '3' },
      'express-port': { type: 'string' },
      'koa-port': { type: 'string' },
      help: { type: 'boolean' },
    },
  })
  if (values.help) {
    process.stdout.write(help)
    return 0
  }
  const { store, server: kind, workers } = values
  const express = values['express-port'] ?? (await freePort(3000, []))
  const koa = values['koa-port'] ?? (await freePort(3001, [express]))
  const ports = { DEMO_EXPRESS_PORT: express, DEMO_KOA_PORT: koa }
  const env = { ...process.env, ...ports, ...(store && { SESSION_STORE: store }) }
  const hear = listener()
  const servers = [
    new Server({ name: 'express', port: express, kind, workers, env }, hear),
    new Server({ name: 'koa', port: koa, kind, workers, env }, hear),
  ]
  let stopping = false
  const stop = () => {
    stopping = true
    for (const server of servers) server.stop()
  }
  process.on('SIGINT', stop)
  process.on('SIGTERM', stop)
  // One does not go on alone; but a second signal would cut what the other is still finishing.
  const ended = Promise.all(servers.map(server => server.ended.finally(() => stopping || stop())))
  const ready = await Promise.all(servers.map(server => server.ready))
  if (ready.every(Boolean)) process.stdout.write(guide(express, koa))
  const codes = await ended
  return codes.every(code => code === 0) ? 0 : 1
}

/** The usual port, or the next free one, which is said. */
async function freePort(usual: number, besides: readonly string[]): Promise<string> {
  const port = await freePortFrom(usual, besides.map(Number))
  if (port !== usual) process.stdout.write(`Port ${usual} is in use: taking ${port}.\n`)
  return String(port)
}

/** Prints what the servers say. Of the store and the secret both say the same: the second time is left out. */
function listener(): (server: string, line: string) => void {
  const saidBy = new Map<string, string>()
  return (server, line) => {
    const first = saidBy.get(line) ?? server
    saidBy.set(line, first)
    if (first === server) process.stdout.write(`${server.padEnd(7)} | ${line}\n`)
  }
}

process.exitCode = await start().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : error}\n`)
  return 1
})
