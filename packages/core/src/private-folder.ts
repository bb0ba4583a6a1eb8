import { createHash } from 'node:crypto'
import { existsSync, realpathSync, statSync } from 'node:fs'
import { chmod, lstat, mkdir, readdir } from 'node:fs/promises'
import { tmpdir, userInfo } from 'node:os'
import { basename, dirname, join, resolve } from 'node:path'
import { codeOf, ignoring, SessionError } from './errors.ts'

/**
 * The default folder of this project and this user: in memory (`/dev/shm`) where the platform has it, else in the
 * folder for temporary files. All processes that run in the project's folder, or below it, get the same one.
 */
export function projectFolder(cwd: string = process.cwd()): string {
  const root = projectRoot(realpathSync(cwd))
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12)
  const base = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() ? '/dev/shm' : tmpdir()
  const name = basename(root)
    .replace(/[^A-Za-z0-9_-]/g, '')
    .slice(0, 32)
  return join(base, `sojourn-${process.getuid?.() ?? userInfo().username}-${name}-${hash}`)
}

/**
 * Makes the folder, or makes sure that an existing one is a folder of this user that nobody else can enter: in a
 * shared place for temporary files anybody may have made it first.
 *
 * @returns the absolute path
 * @throws SessionError ERR_SESSION_DIRECTORY with the command that mends it
 */
export async function openPrivateFolder(path: string): Promise<string> {
  const folder = resolve(path)
  try {
    await makeFolder(folder)
  } catch (cause) {
    throw badFolder(
      `The session folder ${folder} can't be made. Choose another with SESSION_DIR, or run: sudo install -d -m 700 -o ${owner()} ${quote(folder)}`,
      cause,
    )
  }
  const found = await lstat(folder)
  if (!found.isDirectory()) {
    throw badFolder(`The session folder ${folder} is not a folder. Choose another with SESSION_DIR.`)
  }
  const uid = process.getuid?.()
  if (uid === undefined) return folder
  if (found.uid !== uid) {
    throw badFolder(
      `The session folder ${folder} belongs to somebody else (uid ${found.uid}). Choose another with SESSION_DIR, or run: sudo chown -R ${owner()} ${quote(folder)}`,
    )
  }
  if ((found.mode & 0o077) !== 0) {
    if ((await readdir(folder)).length === 0) return closeToOthers(folder)
    throw badFolder(
      `The session folder ${folder} holds other things and is open to other users. Choose one for sessions alone: SESSION_DIR=${quote(join(folder, 'sessions'))}`,
    )
  }
  return folder
}

/** With its parents. Node's own recursive mkdir never returns where a file system refuses, as /proc does. */
async function makeFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { mode: 0o700 })
  } catch (error) {
    const code = codeOf(error)
    if (code === 'EEXIST') return
    if (code !== 'ENOENT' || dirname(folder) === folder) throw error
    await makeFolder(dirname(folder))
    await mkdir(folder, { mode: 0o700 }).catch(ignoring('EEXIST'))
  }
}

/** Nothing is in it yet, so nobody can rely on its being open. */
async function closeToOthers(folder: string): Promise<string> {
  await chmod(folder, 0o700)
  return folder
}

/** For a folder that is there and closed to others, in which nothing can be made. */
export function unwritable(folder: string, cause: unknown): SessionError {
  const isReadOnly = codeOf(cause) === 'EROFS'
  const command = isReadOnly ? `sudo mount -o remount,rw ${quote(folder)}` : `chmod u+rwx ${quote(folder)}`
  return badFolder(
    `The session folder ${folder} can't be written to. Choose another with SESSION_DIR, or run: ${command}`,
    cause,
  )
}

function badFolder(message: string, cause?: unknown): SessionError {
  return new SessionError('ERR_SESSION_DIRECTORY', message, { cause })
}

function owner(): string {
  return String(process.getuid?.() ?? userInfo().username)
}

/** For a shell, so that the command in a message runs as pasted. */
function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** The nearest folder upwards that has a package.json, or else `folder` itself. */
function projectRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at
    if (dirname(at) === at) return folder
  }
}
