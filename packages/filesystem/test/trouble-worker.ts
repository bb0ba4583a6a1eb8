/**
 * Runs in a mount namespace of its own (`unshare -m`), so that its mounts end with it: makes the trouble that its
 * argument names and prints what the store did, as JSON.
 */
import { execFileSync } from 'node:child_process'
import { chownSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { filesystemStore } from '../src/index.ts'

const [trouble] = process.argv.slice(2)
const base = mkdtempSync(join(tmpdir(), 'sojourn-trouble-'))
const directory = join(base, 'sessions')
const logger = { info: () => {}, warn: () => {}, error: () => {} }

function mount(options: string): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', options, 'tmpfs', base])
}

/** What became of it: the value, or the error's code. */
async function outcome(work: () => Promise<unknown>): Promise<unknown> {
  try {
    return await work()
  } catch (error) {
    const { code, cause } = error as { code?: string; cause?: { code?: string } }
    return { code, cause: cause?.code }
  }
}

const record = () => ({ data: { note: 'kept' }, createdAt: Date.now(), expiresAt: Date.now() + 600_000 })

async function useAfter(spoil: () => void): Promise<unknown> {
  const store = filesystemStore({ directory, threshold: 0, logger })
  const session = await store.create(record())
  const other = await store.create(record())
  spoil()
  const result = {
    create: await outcome(() => store.create({ ...record(), data: { big: 'x'.repeat(50_000) } })),
    update: await outcome(() => store.update(session.token, { set: { big: 'x'.repeat(50_000) } })),
    load: await outcome(async () => (await store.load(session.token))?.record.data),
    destroy: await outcome(async () => (await store.destroy(other.token)) ?? 'done'),
    loadDestroyed: await outcome(() => store.load(other.token)),
  }
  await store.close()
  return result
}

/** The error of a start, with the paths of this run taken out. */
async function describeStart(): Promise<unknown> {
  try {
    return await filesystemStore({ directory, logger }).health()
  } catch (error) {
    const { code, message } = error as { code?: string; message?: string }
    return { code, message: message?.replaceAll(directory, 'FOLDER') }
  }
}

const troubles: Record<string, () => Promise<unknown>> = {
  /** The folder was made for somebody else. */
  async 'not-ours'() {
    mkdirSync(directory, { mode: 0o700 })
    chownSync(directory, 1234, 1234)
    return describeStart()
  },
  async 'a-file'() {
    writeFileSync(directory, '')
    return describeStart()
  },
  async 'open-to-others'() {
    mkdirSync(join(directory, 'something'), { recursive: true })
    return describeStart()
  },
  async 'disk-full'() {
    mount('size=1m')
    return useAfter(() => {
      try {
        for (let i = 0; ; i++) writeFileSync(join(base, `filler-${i}`), Buffer.alloc(4096))
      } catch {}
    })
  },
  async 'out-of-inodes'() {
    mount('nr_inodes=40')
    return useAfter(() => {
      try {
        for (let i = 0; ; i++) writeFileSync(join(base, `filler-${i}`), '')
      } catch {}
    })
  },
  async 'out-of-inodes-for-long'() {
    mount('nr_inodes=40')
    const store = filesystemStore({ directory, threshold: 0, logger })
    const { token } = await store.create(record())
    try {
      for (let i = 0; ; i++) writeFileSync(join(base, `filler-${i}`), '')
    } catch {}
    let answered = 0
    for (let n = 1; n <= 60; n++) {
      const { status } = await store.update(token, { set: { n, text: 'x'.repeat(200) } })
      if (status === 'written') answered++
    }
    const n = (await store.load(token))?.record.data.n
    await store.close()
    return { answered, n }
  },
  async 'read-only'() {
    mount('size=1m')
    // A bind mount can be made read-only while files are open for writing.
    return useAfter(() => {
      execFileSync('mount', ['--bind', base, base])
      execFileSync('mount', ['-o', 'remount,bind,ro', base])
    })
  },
  async 'read-only-at-start'() {
    mount('size=1m')
    mkdirSync(directory, { mode: 0o700 })
    execFileSync('mount', ['-o', 'remount,ro', base])
    return describeStart()
  },
}

const result = await troubles[trouble ?? '']?.()
process.stdout.write(JSON.stringify(result))
process.on('exit', () => {
  for (let depth = 0; depth < 2; depth++) {
    try {
      execFileSync('umount', ['-l', base], { stdio: 'ignore' })
    } catch {}
  }
  rmSync(base, { recursive: true, force: true })
})
