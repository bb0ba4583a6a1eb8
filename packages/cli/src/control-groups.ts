import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

const root = '/sys/fs/cgroup'

/** A control group of Linux, which limits what its processes may use. */
export interface ControlGroup {
  readonly version: 1 | 2
  /** The text of one of its files. */
  read(file: string): string | undefined
}

/**
 * The groups that limit this process: its own, and those above, whose limits count too. In a container the path may be
 * the host's, of which only the root is there. Elsewhere than on Linux there are none.
 */
export function controlGroups(controller: 'cpu' | 'memory'): ControlGroup[] {
  const lines = (textOf('/proc/self/cgroup') ?? '').matchAll(/^\d+:([^:]*):(.*)$/gm)
  return [...lines].flatMap(([, controllers = '', path = '/']) => {
    if (controllers !== '' && !controllers.split(',').includes(controller)) return []
    const version = controllers === '' ? 2 : 1
    return upwards(path).map(at => {
      const folder = join(root, controllers, at)
      return { version, read: file => textOf(join(folder, file)) } satisfies ControlGroup
    })
  })
}

function upwards(path: string): string[] {
  return path === '/' ? ['/'] : [path, ...upwards(dirname(path))]
}

function textOf(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
