import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'

/** Of what a command line names: a path, or a file URL. */
export function moduleUrl(module: string): string {
  return module.startsWith('file:') ? module : pathToFileURL(resolve(module)).href
}
