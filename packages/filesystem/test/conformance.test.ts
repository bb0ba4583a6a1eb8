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
