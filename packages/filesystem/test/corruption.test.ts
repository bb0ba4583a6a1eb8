import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { hashOf, pathOf } from '../src/bucket-files.ts'
import { filesystemStore } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'

const logger = { info: () => {}, warn: () => {}, error: () => {} }

/** Two sessions, each with the file that it is kept in. */
async function twoSessions() {
  const directory = temporaryFolder()
  const store = filesystemStore({ directory, threshold: 0, logger })
  const create = async (owner: string) => {
    const now = Date.now()
    const { token } = await store.create({ data: { owner }, createdAt: now, expiresAt: now + 600_000 })
    return { token, file: pathOf(directory, hashOf(`session:${token}`)) }
  }
  return { store, ada: await create('ada'), bob: await create('bob') }
}

/** What became of a load: the owner that it showed, or how it was refused. */
async function outcome(load: Promise<{ record: { data: Readonly<Record<string, unknown>> } } | null>) {
  try {
    return (await load)?.record.data.owner ?? 'absent'
  } catch (error) {
    return (error as { code?: unknown }).code
  }
}

describe('F5: a file that is damaged', () => {
  it.each([0, 1, 2])(
    'F5: with any bit of it flipped after %i changes, is corrupt, or as it was',
    async changes => {
      const { store, ada } = await twoSessions()
      const owners = ['ada', 'ada, again', 'ada: "{}}" \\ é']
      for (const owner of owners.slice(1, changes + 1)) await store.update(ada.token, { set: { owner } })
      const whole = readFileSync(ada.file)
      const newest = whole.lastIndexOf('\n')
      for (const at of whole.keys()) {
        for (let bit = 0; bit < 8; bit++) {
          const flipped = Buffer.from(whole)
          flipped.writeUInt8(whole.readUInt8(at) ^ (1 << bit), at)
          writeFileSync(ada.file, flipped)
          // What was changed since counts no more.
          const stands = at < newest ? owners[changes] : 'ERR_SESSION_CORRUPT'
          expect(await outcome(store.load(ada.token)), `bit ${bit} at ${at} of ${whole.length}`).toBe(stands)
        }
      }
      process.stdout.write(
        `F5: each bit of ${whole.length} bytes flipped: corrupt, or as it was, each time\n`,
      )
      writeFileSync(ada.file, whole)
      expect(await outcome(store.load(ada.token))).toBe(owners[changes])
      await store.close()
    },
  )

  it('F5: cut off at any byte, is corrupt, or what it was before its last change', async () => {
    const { store, ada } = await twoSessions()
    const first = readFileSync(ada.file).length
    await store.update(ada.token, { set: { owner: 'ada, again' } })
    const whole = readFileSync(ada.file)
    for (let length = 1; length < whole.length; length++) {
      writeFileSync(ada.file, whole.subarray(0, length))
      expect(await outcome(store.load(ada.token)), `cut off at ${length}`).toBe(
        length < first ? 'ERR_SESSION_CORRUPT' : 'ada',
      )
    }
    process.stdout.write(`F5: cut off at each of ${whole.length} bytes: corrupt, or as before, each time\n`)
    // A process that died before it wrote anything leaves an empty file.
    writeFileSync(ada.file, '')
    expect(await outcome(store.load(ada.token))).toBe('absent')
    await store.close()
  })

  it('F5: with zeros at its end, as a power failure may leave them, is what it was', async () => {
    const { store, ada } = await twoSessions()
    await store.update(ada.token, { set: { owner: 'ada, again' } })
    const whole = readFileSync(ada.file)
    for (const rest of ['', '\n0123', '\n0123456789012345678901234567890123456789\t{"ke']) {
      writeFileSync(ada.file, Buffer.concat([whole, Buffer.from(rest), Buffer.alloc(100)]))
      expect(await outcome(store.load(ada.token)), rest).toBe('ada, again')
    }
    await store.update(ada.token, { set: { owner: 'ada, once more' } })
    expect(await outcome(store.load(ada.token))).toBe('ada, once more')
    await store.close()
  })

  it.each([
    ['quotes', '"'],
    ['backslashes', '\\'],
    ['letters', 'x'],
  ])('I2: is none for being large: 10 MB of %s', async (_kind, letter) => {
    const { store, ada } = await twoSessions()
    await store.update(ada.token, { set: { owner: 'large', text: letter.repeat(10_000_000) } })
    expect(await outcome(store.load(ada.token))).toBe('large')
    const whole = readFileSync(ada.file)
    writeFileSync(ada.file, whole.subarray(0, -10))
    expect(await outcome(store.load(ada.token))).toBe('ada')
    writeFileSync(ada.file, whole)
    await store.update(ada.token, { remove: ['text'] })
    await store.destroy(ada.token)
    expect(await outcome(store.load(ada.token))).toBe('absent')
    await store.close()
  })

  it('F5: I4: that stands where that of another session stood, shows the other session nothing', async () => {
    const { store, ada, bob } = await twoSessions()
    const aside = `${ada.file}-aside`
    renameSync(ada.file, aside)
    renameSync(bob.file, ada.file)
    renameSync(aside, bob.file)
    expect(await outcome(store.load(ada.token))).toBe('ERR_SESSION_CORRUPT')
    expect(await outcome(store.load(bob.token))).toBe('ERR_SESSION_CORRUPT')
    await store.destroy(ada.token)
    expect(await outcome(store.load(ada.token))).toBe('absent')
    await store.close()
  })
})
