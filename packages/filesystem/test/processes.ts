import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import type { Job } from './worker.ts'

export interface Worker {
  readonly process: ChildProcess
  readonly exited: Promise<unknown>
  readonly ask: (kind: Job['kind'], job?: Partial<Job>) => Promise<unknown>
}

const children: ChildProcess[] = []
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

export interface WorkerOptions {
  readonly threshold?: number
  readonly durable?: boolean
  /** For what it does with files. */
  readonly threads?: number
}

/** Starts a process on the folder; it ends with the test file, or is killed by it. */
export async function startWorker(directory: string, options: WorkerOptions = {}): Promise<Worker> {
  const { threshold = 0, durable = false, threads = 4 } = options
  const child = fork(join(import.meta.dirname, 'worker.ts'), [directory, `${threshold}`, `${durable}`], {
    execArgv: ['--conditions=@sojourn/source'],
    env: { ...process.env, UV_THREADPOOL_SIZE: `${threads}` },
  })
  children.push(child)
  await answer(child)
  return {
    process: child,
    exited: once(child, 'exit'),
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
