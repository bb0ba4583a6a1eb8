import { createHash } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { basename, dirname, join } from 'node:path'
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
 * shared place for temporary files anybody may have made it first, or have made it again. One look at a folder that is
 * as it should be; synchronous, so that nothing comes between that and what is done next.
 *
 * @param folder an absolute path
 * @returns what tells the folder from another one under the same path: its inode
 * @throws SessionError ERR_SESSION_DIRECTORY with the command that mends it
 */
export function openPrivateFolder(folder: string): number {
  const found = foundOrMade(folder)
  if (!found.isDirectory()) {
    throw badFolder(`The session folder ${folder} is not a folder. Choose another with SESSION_DIR.`)
  }
  const uid = process.getuid?.()
  if (uid === undefined) return found.ino
  if (found.uid !== uid) {
    throw badFolder(
      `The session folder ${folder} belongs to somebody else (uid ${found.uid}). Choose another with SESSION_DIR, or run: sudo chown -R ${owner()} ${quote(folder)}`,
    )
  }
  if ((found.mode & 0o077) !== 0) closeToOthers(folder)
  return found.ino
}

function foundOrMade(folder: string): Stats {
  try {
    const found = lstatSync(folder, { throwIfNoEntry: false })
    if (found !== undefined) return found
    makeFolder(folder)
    return lstatSync(folder)
  } catch (cause) {
    throw unusable(folder, 'made', cause, `sudo install -d -m 700 -o ${owner()} ${quote(folder)}`)
  }
}

/** With its parents. Node's own recursive mkdir never returns where a file system refuses, as /proc does. */
function makeFolder(folder: string): void {
  if (!existsSync(dirname(folder))) makeFolder(dirname(folder))
  try {
    mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    ignoring('EEXIST')(error)
  }
}

/** Only while nothing is in it: nobody can rely on its being open yet, and nobody has put anything there. */
function closeToOthers(folder: string): void {
  if (readdirSync(folder).length > 0) {
    throw badFolder(
      `The session folder ${folder} holds other things and is open to other users. Choose one for sessions alone: SESSION_DIR=${quote(join(folder, 'sessions'))}`,
    )
  }
  chmodSync(folder, 0o700)
}

/** For a folder that is there and closed to others, in which nothing can be made. */
export function unwritable(folder: string, cause: unknown): SessionError {
  const path = quote(folder)
  return unusable(
    folder,
    'written to',
    cause,
    `sudo chown -R ${owner()} ${path} && sudo chmod -R u+rwX ${path}`,
  )
}

/** @param command which mends it, unless the cause tells of something else */
function unusable(folder: string, what: string, cause: unknown, command: string): SessionError {
  const found = `The session folder ${folder} can't be ${what}.`
  const code = codeOf(cause)
  const closed = closedAbove(folder)
  if (code === 'ENOTDIR')
    return badFolder(`${found} A part of its path is a file. Choose another with SESSION_DIR.`, cause)
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return badFolder(`${found} Free space (df, df -i), or choose another disk with SESSION_DIR.`, cause)
  if (closed !== undefined)
    return badFolder(`${found} This user can't enter ${closed}. Choose another with SESSION_DIR.`, cause)
  const mending = code === 'EROFS' ? `sudo mount -o remount,rw ${quote(mountOf(folder))}` : command
  return badFolder(`${found} Choose another with SESSION_DIR, or run: ${mending}`, cause)
}

/** The folder on the way there that this user may not enter. */
function closedAbove(folder: string): string | undefined {
  let closed: string | undefined
  for (let at = dirname(folder); at !== dirname(at); at = dirname(at)) {
    try {
      accessSync(at, constants.X_OK)
    } catch (error) {
      if (codeOf(error) === 'EACCES') closed = at
    }
  }
  return closed
}

/** Where the file system is mounted in which the folder is, or would be. */
function mountOf(folder: string): string {
  const device = statSync(folder, { throwIfNoEntry: false })?.dev
  const above = dirname(folder)
  if (above === folder) return folder
  return device === undefined || statSync(above).dev === device ? mountOf(above) : folder
}

function badFolder(message: string, cause?: unknown): SessionError {
  return new SessionError('ERR_SESSION_DIRECTORY', message, { status: 503, cause })
}

function owner(): string {
  return String(process.getuid?.() ?? userInfo().username)
}

/** For a shell, so that the command in a message runs as pasted. */
export function quote(path: string): string {
  return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`
}

/** The nearest folder with a `package.json`, from this one upwards; if there is none, this one. */
export function projectRoot(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json'))) return at
    if (dirname(at) === at) return folder
  }
}
