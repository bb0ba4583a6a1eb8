import { readFileSync } from 'node:fs'
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { projectFolder, projectRoot, toldApplicationFolder } from '@sojourn/core/store-kit'

const register = 'used-by'

/**
 * Notes in the folder that this application keeps its sessions there. Best effort: what a full or read-only disk refuses is
 * refused for better reasons elsewhere.
 */
export async function moveIn(folder: string): Promise<void> {
  try {
    await mkdir(join(folder, register), { recursive: true, mode: 0o700 })
    await writeFile(join(folder, register, nameOf()), '', { mode: 0o600, flag: 'a' })
  } catch {}
}

/** The other applications that keep, or kept, sessions in the folder: for each a file that tells of it. */
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

/** Of the application's package: the same in every folder that it is deployed to. */
function nameOf(): string {
  const root = projectRoot(toldApplicationFolder() ?? process.cwd())
  return encodeURIComponent(packageNameIn(root) ?? basename(projectFolder(root)))
}

function packageNameIn(root: string): string | undefined {
  try {
    const { name }: { name?: unknown } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
    return typeof name === 'string' && name !== '' ? name : undefined
  } catch {
    return undefined
  }
}
