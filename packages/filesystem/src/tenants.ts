import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { projectFolder } from '@sojourn/core/store-kit'

const register = 'used-by'

/**
 * Notes in the folder that this project keeps its sessions there. Best effort: what a full or read-only disk refuses is
 * refused for better reasons elsewhere.
 */
export async function moveIn(folder: string): Promise<void> {
  try {
    await mkdir(join(folder, register), { recursive: true, mode: 0o700 })
    await writeFile(join(folder, register, nameOf()), '', { mode: 0o600, flag: 'a' })
  } catch {}
}

/** The other projects that keep, or kept, sessions in the folder: for each a file that tells of it. */
export async function othersIn(folder: string): Promise<string[]> {
  const names = await readdir(join(folder, register)).catch(() => [])
  return names.filter(name => name !== nameOf()).map(name => join(folder, register, name))
}

/** The file system's clock, in epoch ms; undefined where nothing can be changed. It needs no space. */
export async function timeIn(folder: string): Promise<number | undefined> {
  const file = join(folder, register, nameOf())
  try {
    await chmod(file, 0o600)
    return (await stat(file)).ctimeMs
  } catch {
    return undefined
  }
}

/** Each project has one of its own, from which its name can be read. */
function nameOf(): string {
  return basename(projectFolder())
}
