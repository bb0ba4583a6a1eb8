import { readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import keyvTestSuite from '@keyv/test-suite'
import { testStore } from '@sojourn/conformance'
import Keyv from 'keyv'
import * as vitest from 'vitest'
import { afterAll, describe, expect, it } from 'vitest'
import { filesystemStore, KeyvCacache } from '../src/index.ts'
import { temporaryFolder } from './folders.ts'

const directory = temporaryFolder()
testStore({ describe, it }, 'filesystem', () => filesystemStore({ directory, threshold: 0 }))

const durable = temporaryFolder()
testStore({ describe, it }, 'filesystem, durable', () =>
  filesystemStore({ directory: durable, threshold: 0, durable: true }),
)

describe('KeyvCacache is a Keyv storage adapter', () => {
  const folder = temporaryFolder()
  const opened: KeyvCacache[] = []
  const open = () => {
    const adapter = new KeyvCacache({ directory: folder })
    opened.push(adapter)
    return adapter
  }
  afterAll(() => Promise.all(opened.map(adapter => adapter.disconnect())))
  keyvTestSuite(vitest, Keyv, open)

  it('iterates over the live values of a namespace, and no others', async () => {
    const adapter = open()
    await adapter.clear()
    await adapter.set('a:1', 'one')
    await adapter.set('a:2', 'two', 60_000)
    await adapter.set('a:3', 'expired', 1)
    await adapter.set('b:1', 'other')
    await sleep(5)
    const found = []
    for await (const pair of adapter.iterator('a')) found.push(pair)
    expect(found.sort()).toEqual([
      ['a:1', 'one'],
      ['a:2', 'two'],
    ])
  })
})

describe('KeyvCacache under several writers and readers', () => {
  it('a key that another process sets and deletes is there or not, never damaged', async () => {
    const directory = temporaryFolder()
    const [writer, reader] = [new KeyvCacache({ directory }), new KeyvCacache({ directory })]
    let going = true
    const writing = (async () => {
      for (let i = 0; i < 1500; i++) {
        await writer.set('key', 'value')
        await writer.delete('key')
      }
      going = false
    })()
    const seen = new Set<unknown>()
    const reading = Array.from({ length: 4 }, async () => {
      while (going) seen.add(await reader.get('key'))
    })
    await Promise.all([writing, ...reading])
    expect([...seen].sort()).toEqual(['value', undefined])
    await Promise.all([writer.disconnect(), reader.disconnect()])
  })

  it('a damaged entry can not be changed, but it can be deleted, also in the same moment', async () => {
    const directory = temporaryFolder()
    const adapter = new KeyvCacache({ directory })
    await adapter.set('key', 'value')
    for (const file of readdirSync(directory, { recursive: true, withFileTypes: true })) {
      if (file.parentPath.includes('index-v5') && file.isFile())
        writeFileSync(join(file.parentPath, file.name), 'garbage')
    }
    const damaged = { code: 'ERR_SESSION_CORRUPT' }
    await expect(adapter.get('key')).rejects.toMatchObject(damaged)
    const change = { set: [], remove: [], expectedValues: [] }
    const [changed, deleted] = await Promise.allSettled([
      adapter.applyChange('key', change),
      adapter.delete('key'),
    ])
    expect(changed).toMatchObject({ status: 'rejected', reason: damaged })
    expect(deleted?.status).toBe('fulfilled')
    expect(await adapter.get('key')).toBeUndefined()
    await adapter.disconnect()
  })
})
