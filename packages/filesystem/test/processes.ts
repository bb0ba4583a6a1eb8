import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Job } from './worker.ts'

export interface Worker {
  readonly process: ChildProcess
  readonly ask: (kind: Job['kind'], job?: Partial<Job>) => Promise<unknown>
}

const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

/** Starts a process on the folder; it ends with the test file, or is killed by it. */
export async function startWorker(directory: string, threshold = 0): Promise<Worker> {
  const child = fork(join(import.meta.dirname, 'worker.ts'), [directory, String(threshold)], {
    execArgv: ['--conditions=@sojourn/source'],
  })
  children.push(child)
  await answer(child)
  return {
    process: child,
    ask(kind, job = {}) {
      child.send({ token: '', count: 0, name: '', ...job, kind })
      return answer(child)
    },
  }
}

async function answer(child: ChildProcess): Promise<unknown> {
  for (;;) {
    const [message] = await once(child, 'message')
    if (message.error) throw new Error(message.error)
    if ('result' in message) return message.result
  }
}
