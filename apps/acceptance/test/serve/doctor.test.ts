import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { freePort, RedisServer } from '@sojourn/redis-servers'
import { describe, expect, onTestFinished, test } from 'vitest'
import { applicationFolder, doctor, troubles } from './doctor.ts'
import { Served } from './served.ts'

const isRoot = process.getuid?.() === 0
/** Mounts need root, or a kernel that lets users have mount namespaces. */
const canMount = spawnSync('unshare', ['-m', 'true']).status === 0
const nobody = 65534
/** Another user needs to reach this clone: one in root's own folder is closed to all others. */
const nobodyCanRun =
  isRoot && spawnSync(process.execPath, ['-e', ''], { uid: nobody, gid: nobody }).status === 0
const password = 'sesame-that-nobody-may-see'

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sojourn-doctor-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** An application's folder, which has no packages. */
function bareProject(name = 'bare'): string {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, type: 'module' }))
  return folder
}

/** A folder of sessions that is well. */
function sessionFolder(): string {
  const folder = join(temporaryFolder(), 'sessions')
  mkdirSync(folder, { mode: 0o700 })
  return folder
}

async function redis(...options: string[]): Promise<RedisServer> {
  const server = await RedisServer.start(...options)
  onTestFinished(() => server.stop())
  return server
}

describe('what is well', () => {
  test('files: exit code 0, and each thing that was looked at is told', () => {
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() } })
    expect(troubles(diagnosis)).toEqual([])
    expect(diagnosis.code).toBe(0)
    const names = diagnosis.checks.map(({ name }) => name)
    for (const name of [
      'secret',
      'store',
      'clock',
      'medium',
      'owner',
      'mode',
      'free space',
      'free inodes',
      'sessions',
      'threshold',
      'locks',
      'a session',
      'cookie',
    ])
      expect(names).toContain(name)
  })

  test('Redis: version, latency, eviction policy, persistence, clock; and no password', async () => {
    const server = await redis('--appendonly', 'yes', '--requirepass', password)
    const diagnosis = doctor({ env: { REDIS_URL: `redis://:${password}@127.0.0.1:${server.port}` } })
    expect(troubles(diagnosis)).toEqual([])
    const found = Object.fromEntries(diagnosis.checks.map(check => [check.name, check.found]))
    expect(found).toMatchObject({
      store: 'redis, because REDIS_URL is set',
      redis: expect.stringMatching(/127\.0\.0\.1:\d+ answers in [\d.]+ ms/),
      version: expect.stringMatching(/^\d+\.\d+\.\d+$/),
      'eviction policy': 'noeviction',
      persistence: 'append-only file',
      clock: expect.stringMatching(/^that of this process is \d+ ms/),
    })
    expect(diagnosis.output).not.toContain(password)
  })
})

describe('what is broken is found in one run, with what mends it', () => {
  test('Redis is down', async () => {
    const port = await freePort()
    const diagnosis = doctor({ env: { SESSION_REDIS_URL: `redis://127.0.0.1:${port}` } })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(/^failure redis: .*nothing listens there.*Start Redis, or correct the address/s),
    ])
  })

  test('the password is wrong, and is not shown', async () => {
    const server = await redis('--requirepass', 'another one', '--appendonly', 'yes')
    const diagnosis = doctor({ env: { REDIS_URL: `redis://:${password}@127.0.0.1:${server.port}` } })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(/^failure redis: .*refuses the user or the password.*Correct them in the URL/s),
    ])
    expect(diagnosis.output).not.toContain(password)
  })

  test('Redis evicts live sessions', async () => {
    const server = await redis(
      '--appendonly',
      'yes',
      '--maxmemory',
      '50mb',
      '--maxmemory-policy',
      'volatile-lru',
    )
    const diagnosis = doctor({ env: { REDIS_URL: server.url } })
    expect(diagnosis.code).toBe(1)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^warning redis: the eviction policy is volatile-lru.* -> run CONFIG SET maxmemory-policy noeviction in redis-cli, /,
      ),
    ])
  })

  test.skipIf(!canMount)('the folder is on a read-only disk', () => {
    const folder = sessionFolder()
    const script = `mount -t tmpfs -o ro,mode=0700 tmpfs '${folder}' && exec "$@"`
    const launcher = ['unshare', '-m', 'sh', '-c', script, 'sh']
    const diagnosis = doctor({ env: { SESSION_DIR: folder }, launcher })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^failure filesystem: .*can't be written to\. -> Choose another with SESSION_DIR, or run: sudo mount -o remount,rw /,
      ),
    ])
  })

  test.skipIf(!canMount)('the folder is to be on a read-only disk: what is mounted again is the disk', () => {
    const disk = temporaryFolder()
    const folder = join(disk, 'sessions')
    const script = `mount -t tmpfs -o ro,mode=0755 tmpfs '${disk}' && exec "$@"`
    const launcher = ['unshare', '-m', 'sh', '-c', script, 'sh']
    const diagnosis = doctor({ env: { SESSION_DIR: folder }, launcher })
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        new RegExp(`^failure filesystem: .* or run: sudo mount -o remount,rw ${disk}\\b(?!/)`),
      ),
    ])
  })

  test.skipIf(!canMount)('the disk has no inodes left', () => {
    const folder = sessionFolder()
    const script = `mount -t tmpfs -o nr_inodes=2,mode=0700 tmpfs '${folder}' && exec "$@"`
    const launcher = ['unshare', '-m', 'sh', '-c', script, 'sh']
    const diagnosis = doctor({ env: { SESSION_DIR: folder }, launcher })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis).join('\n')).toMatch(
      /^failure filesystem: .*can't be written to\. -> Free space \(df, df -i\), or choose another disk with SESSION_DIR/,
    )
  })

  test.skipIf(!nobodyCanRun)('the folder lies in one that is closed to the user who runs it', () => {
    const closed = temporaryFolder()
    const launcher = ['setpriv', '--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups']
    const diagnosis = doctor({ env: { SESSION_DIR: join(closed, 'sessions') }, launcher })
    expect(troubles(diagnosis)).toEqual([
      expect.stringContaining(`-> This user can't enter ${closed}. Choose another with SESSION_DIR.`),
    ])
  })

  test.skipIf(!nobodyCanRun)('what is in the folder belongs to another user', () => {
    const folder = sessionFolder()
    chmodSync(dirname(folder), 0o755)
    const env = { SESSION_DIR: folder }
    expect(doctor({ env }).code).toBe(0)
    chownSync(folder, nobody, nobody)
    const launcher = ['setpriv', '--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups']
    expect(troubles(doctor({ env, launcher })).join('\n')).toMatch(
      /^failure filesystem: .*can't be written to\. -> .* or run: sudo chown -R 65534 /,
    )
  })

  test.skipIf(!nobodyCanRun)('the folder can not be written to by the user who runs it', () => {
    const folder = temporaryFolder()
    chmodSync(folder, 0o755)
    const launcher = ['setpriv', '--reuid', `${nobody}`, '--regid', `${nobody}`, '--clear-groups']
    const diagnosis = doctor({ env: { SESSION_DIR: join(folder, 'sessions') }, launcher })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^failure filesystem: .*can't be made\. -> Choose another with SESSION_DIR, or run: sudo install -d -m 700 -o 65534 /,
      ),
    ])
  })

  test.skipIf(!isRoot)('the folder belongs to another user', () => {
    const folder = sessionFolder()
    chownSync(folder, 1234, 1234)
    const diagnosis = doctor({ env: { SESSION_DIR: folder } })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^failure filesystem: .*belongs to somebody else \(uid 1234\)\. -> .*sudo chown -R 0 /,
      ),
    ])
  })

  test.skipIf(!canMount)('the disk is full', () => {
    const folder = sessionFolder()
    const script = `mount -t tmpfs -o size=64k,mode=0700 tmpfs '${folder}' && cat /dev/zero > '${folder}/ballast' 2>/dev/null; exec "$@"`
    const launcher = ['unshare', '-m', 'sh', '-c', script, 'sh']
    const diagnosis = doctor({ env: { SESSION_DIR: folder }, launcher })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis).join('\n')).toMatch(
      /failure a session: could not be begun: no space is left -> Free some, or let SESSION_DIR name another disk/,
    )
  })

  test.each([
    ['dev', /one that everybody knows/],
    ['too-short', /shorter than 32 bytes/],
  ])('the secret is %s, and is not shown', (secret, weakness) => {
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder(), SECRET_KEY: secret } })
    expect(diagnosis.code).toBe(2)
    const [trouble = '', ...others] = troubles(diagnosis)
    expect(others).toEqual([])
    expect(trouble).toMatch(weakness)
    expect(trouble).toMatch(/^failure secret: .* -> Run sojourn secret --rotate/)
    if (secret !== 'dev') expect(diagnosis.output).not.toContain(secret)
  })

  test('cookies are Secure and the application is reached over http', async () => {
    const folder = sessionFolder()
    const served = await Served.start('express-app.ts', folder, '--workers', '1', '--host', '0.0.0.0')
    const url = `http://0.0.0.0:${served.port}/`
    const diagnosis = doctor({ env: { SESSION_DIR: folder }, args: ['--url', url] })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis).join('\n')).toMatch(
      /failure transport: the cookie is Secure and .* over http: browsers drop it.* -> Serve https/,
    )
  })

  test('two applications keep their sessions in one folder', () => {
    const folder = sessionFolder()
    const env = { SESSION_DIR: folder }
    expect(doctor({ env }).code).toBe(0)
    const other = bareProject()
    symlinkSync(join(import.meta.dirname, '../../node_modules'), join(other, 'node_modules'))
    const diagnosis = doctor({ env, cwd: other })
    expect(diagnosis.code).toBe(1)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^warning filesystem: other applications keep sessions here too.*used-by\/\S*acceptance.* -> give each a SESSION_DIR of its own$/,
      ),
    ])
  })

  test('one application that is deployed to a new folder is no second one', () => {
    const env = { SESSION_DIR: sessionFolder() }
    for (const _deployment of [1, 2]) {
      const folder = bareProject('a-shop')
      symlinkSync(join(import.meta.dirname, '../../node_modules'), join(folder, 'node_modules'))
      expect(troubles(doctor({ env, cwd: folder }))).toEqual([])
    }
  })

  test('the package of the store is not installed', () => {
    const diagnosis = doctor({ env: { SESSION_STORE: 'redis' }, cwd: bareProject() })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^failure redis: .*needs the package @sojourn\/redis, which is not installed\. -> Run: npm install @sojourn\/redis$/,
      ),
    ])
  })

  test.each(['redis', 'filesystem'])('the clock is off by an hour: %s', async store => {
    const server = store === 'redis' ? await redis('--appendonly', 'yes') : undefined
    const env = server ? { REDIS_URL: server.url } : { SESSION_DIR: sessionFolder() }
    const late = 'const now = Date.now; Date.now = () => now() - 3_600_000'
    const flags = [`--import=data:text/javascript,${encodeURIComponent(late)}`]
    const diagnosis = doctor({ env, flags })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis).join('\n')).toMatch(
      /failure clock: that of this process is 3\d{6} ms behind the store's.* -> Set the clocks of both machines by NTP/,
    )
  })
})

describe("an application's module", () => {
  const module = (name: string) => join(import.meta.dirname, '../fixtures', name)

  test('is asked for what it sets in code', () => {
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [module('express-app.ts')] })
    const found = Object.fromEntries(diagnosis.checks.map(check => [check.name, check.found]))
    expect(found.store).toBe('filesystem, because no Redis URL is set')
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(
        /^warning proxy: cookies are Secure.*does not trust one.* -> app\.set\('trust proxy', 1\)/,
      ),
    ])
  })

  test('is asked for a weak secret, though it has a logger of its own', () => {
    const env = { SESSION_DIR: sessionFolder(), NODE_ENV: 'development', SECRET_KEY: '' }
    const diagnosis = doctor({ env, args: [module('own-logger.ts')] })
    expect(troubles(diagnosis)).toContainEqual(
      expect.stringMatching(/^warning secret: .*one that everybody knows.* -> Run sojourn secret and give/),
    )
  })

  test('whose store can not be used, and that falls back to files, is told why', () => {
    const env = {
      SESSION_DIR: sessionFolder(),
      REDIS_URL: 'redis://127.0.0.1:1',
      SESSION_FALLBACK: 'filesystem',
    }
    for (const args of [[], [module('main.cjs')]]) {
      const diagnosis = doctor({ env, args })
      expect(diagnosis.code).toBe(1)
      expect(troubles(diagnosis)).toEqual([
        expect.stringMatching(/^warning fallback: Redis at .*nothing listens there.* -> .*Start Redis/s),
      ])
    }
  })

  test('is asked for all sessions that it opens', () => {
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [module('two-sessions.ts')] })
    const cookies = diagnosis.checks.filter(({ name }) => name === 'cookie').map(({ found }) => found)
    expect(cookies).toEqual([expect.stringMatching(/^__Host-sid;/), expect.stringMatching(/^admin;/)])
  })

  test('may listen to a port that is taken, end with it, and print: the answer is JSON, and its own goes to stderr', async () => {
    const taken = createServer().listen(0)
    onTestFinished(() => void taken.close())
    await once(taken, 'listening')
    const address = taken.address()
    const port = typeof address === 'object' && address ? address.port : 0
    const env = { SESSION_DIR: sessionFolder(), PORT: `${port}` }
    const diagnosis = doctor({ env, args: [module('listens.ts')] })
    expect(troubles(diagnosis)).toEqual([])
    expect(diagnosis.code).toBe(0)
    expect(diagnosis.output).toMatch(/^listening$/m)
  })

  test('that ends the process is a failure, with what it said', () => {
    const file = join(bareProject(), 'exits.js')
    writeFileSync(file, 'console.error("no settings file"); process.exit(1)')
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [file] })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([expect.stringMatching(/^failure module: it ended the process/)])
    expect(diagnosis.output).toMatch(/^no settings file$/m)
  })

  test('may write to descriptor 1, and what it says is heard', () => {
    const file = join(bareProject(), 'prints.cjs')
    writeFileSync(file, 'require("node:fs").writeSync(1, "by descriptor\\n"); console.error("by console")')
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [file] })
    expect(troubles(diagnosis)).toEqual([expect.stringMatching(/^failure module: .*opens no sessions/)])
    expect(diagnosis.output).toMatch(/^by descriptor\nby console$/m)
  }, 90_000)

  test('may open its sessions in a function that nobody waits for', () => {
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [module('main.cjs')] })
    expect(troubles(diagnosis)).toEqual([])
  })

  test('whose store never closes is diagnosed all the same', () => {
    const diagnosis = doctor({ env: {}, args: [module('never-closes.ts')] })
    expect(diagnosis.checks.map(({ name }) => name)).toContain('a session')
    expect(diagnosis.code).toBe(0)
  })

  test('that never comes to an end is a failure', () => {
    const file = join(bareProject(), 'hangs.js')
    writeFileSync(file, 'for (;;) {}')
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [file] })
    expect(troubles(diagnosis)).toEqual([
      expect.stringMatching(/^failure module: nothing more was found within 30 s/),
    ])
  }, 90_000)

  test('is the same application from wherever it is looked at', () => {
    const env = { SESSION_DIR: sessionFolder() }
    for (const cwd of [applicationFolder, temporaryFolder(), '/'])
      expect(troubles(doctor({ env, args: [module('main.cjs')], cwd }))).toEqual([])
  })

  test('whose error has a secret does not show it', () => {
    const file = join(bareProject(), 'throws.js')
    writeFileSync(file, `throw Object.assign(new Error('no database'), { password: '${password}' })`)
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [file] })
    expect(troubles(diagnosis)).toEqual([expect.stringMatching(/^failure module: .*no database/)])
    expect(diagnosis.output).not.toContain(password)
  })

  test('that does not start is a failure with its message', () => {
    const diagnosis = doctor({ env: { SESSION_DIR: sessionFolder() }, args: [module('not-there.ts')] })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis).join()).toMatch(/^failure module: .*Cannot find module/s)
  })
})

describe('--url', () => {
  test('an application that does not run is said in a line, with what to do', () => {
    const diagnosis = doctor({
      env: { SESSION_DIR: sessionFolder() },
      args: ['--url', 'http://127.0.0.1:1/'],
    })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis)).toEqual([
      "failure url: http://127.0.0.1:1 can't be asked: connect ECONNREFUSED 127.0.0.1:1 -> See that the application runs, and that this is its protocol, address and port.",
    ])
  })

  test('shows the cookie and that all processes see one session, without signing anybody in', async () => {
    const folder = sessionFolder()
    const served = await Served.start('express-app.ts', folder, '--workers', '2')
    const { checks, output } = doctor({
      env: { SESSION_DIR: folder, NODE_ENV: 'development' },
      args: ['--url', `http://127.0.0.1:${served.port}/set?key=doctor`],
    })
    const found = Object.fromEntries(checks.map(check => [check.name, check.found]))
    expect(found['url cookie']).toBe('sid=...; Path=/; HttpOnly; SameSite=Lax')
    expect(found['one session']).toBe('24 parallel requests saw the same one')
    expect(found.processes).toBe(`2 answered: ${served.pids.toSorted((a, b) => a - b).join(', ')}`)
    expect(output).not.toMatch(/sid=[\w-]{20}/)
  })

  test('finds sessions that processes keep for themselves', async () => {
    const served = await Served.start('memory-app.ts', sessionFolder(), '--workers', '2')
    const diagnosis = doctor({
      env: { SESSION_STORE: 'memory', NODE_ENV: 'development' },
      args: ['--url', `http://127.0.0.1:${served.port}/set?key=doctor`],
    })
    expect(diagnosis.code).toBe(2)
    expect(troubles(diagnosis).join('\n')).toMatch(
      /failure one session: \d+ of 24 parallel requests were given another one.* -> Use a store that all share/,
    )
  })
})

test('a command line that can not be understood is no warning', () => {
  expect(doctor({ args: ['--url', 'nowhere'] })).toMatchObject({
    code: 2,
    output: expect.stringMatching(/It must be like http/),
  })
})
