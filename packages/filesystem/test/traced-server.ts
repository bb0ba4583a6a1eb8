import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

/** The server of durable-server.ts, in a process of its own. */
export async function startServer(directory: string): Promise<{ server: ChildProcess; url: string }> {
  const server = fork(join(import.meta.dirname, 'durable-server.ts'), [directory], {
    execArgv: ['--conditions=@sojourn/source'],
    env: { ...process.env, SECRET_KEY: 'a secret of the tests that has 32 bytes and more' },
  })
  onTestFinished(() => void server.kill('SIGKILL'))
  const [{ port }] = await once(server, 'message')
  return { server, url: `http://127.0.0.1:${port}` }
}
