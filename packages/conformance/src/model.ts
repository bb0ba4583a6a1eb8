import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { Loaded, SessionChange, SessionRecord, SessionStore } from '@sojourn/core'
import type { Command, KeyChange, Life, UpdateCommand } from './commands.ts'
import { recordOf, sameRecord, until } from './kit.ts'
import type { Handles } from './runner.ts'

type Data = SessionRecord['data']

const lives: Readonly<Record<Life, number>> = { hour: 3_600_000, soon: 5, past: -1000 }

/** Gives the commands to a store and to the model, one after the other, and compares each answer and what stands at the end. */
export async function follow({ store, other }: Handles, commands: readonly Command[]): Promise<void> {
  const model = new Model(store.supports.revocation)
  for (const command of commands) await model.run({ store, other }[command.by], command)
  await model.end(other)
}

/** What a session store is: a Map with a clock. */
class Model {
  readonly #revokes: boolean
  /** What each token that was ever handed out stands for; `null` if it was seen to be gone, which is for good. */
  readonly #standing = new Map<string, Loaded | null>()
  /** Tokens that were replaced, or ended where nothing can be revoked: gone, or as they were. */
  readonly #former = new Set<string>()
  /** Which session each token stands for, where that is not the token itself. */
  readonly #first = new Map<string, string>()

  constructor(revokes: boolean) {
    this.#revokes = revokes
  }

  async run(store: SessionStore, command: Command): Promise<void> {
    switch (command.call) {
      case 'create':
        return this.#create(store, command)
      case 'load':
        return this.#load(store, this.#tokenOf(command))
      case 'update':
        return this.#update(store, this.#tokenOf(command), command)
      case 'destroy':
        return this.#destroy(store, this.#tokenOf(command))
      case 'wait':
        return until(Math.max(0, ...[...this.#standing.values()].map(endingSoon)))
    }
  }

  /** No token may stand for anything else than it should; then the store has them no longer. */
  async end(store: SessionStore): Promise<void> {
    for (const token of this.#standing.keys()) {
      await this.#load(store, token)
      await this.#destroy(store, token)
    }
  }

  async #create(store: SessionStore, { data, userId, life }: Extract<Command, { call: 'create' }>) {
    const record = recordOf(data, { expiresAt: endOf(life), ...(userId !== undefined && { userId }) })
    const { token, version } = await store.create(record)
    assert.ok(!this.#standing.has(token), 'a new session got an old token')
    this.#standing.set(token, { record, version })
  }

  async #load(store: SessionStore, token: string): Promise<void> {
    const begun = Date.now()
    const loaded = await store.load(token)
    const stands = this.#found(token, loaded !== null, begun)
    if (loaded !== null && stands !== null) sameLoaded(loaded, stands)
  }

  async #update(store: SessionStore, token: string, command: UpdateCommand): Promise<void> {
    const change = changeFor(command, this.#standing.get(token) ?? null)
    const begun = Date.now()
    const outcome = await store.update(token, change)
    const stands = this.#found(token, outcome.status !== 'gone', begun)
    if (stands === null || outcome.status === 'gone') return
    assert.equal(outcome.status, holds(stands, change) ? 'written' : 'conflict')
    if (outcome.status === 'conflict') return sameLoaded(outcome.current, stands)
    assert.notEqual(outcome.version, stands.version, 'the version before')
    const { expiresAt = stands.record.expiresAt } = change
    const record = { ...stands.record, data: changed(stands.record.data, command), expiresAt }
    // What comes of an older copy may end with what the session became meanwhile.
    if (this.#revokes && this.#former.has(token)) this.#former.add(outcome.token)
    if (outcome.token !== token) this.#former.add(token)
    // It is the expiry of the session, whose other tokens may end with it.
    if (change.expiresAt !== undefined)
      for (const each of this.#sharing(token)) if (each !== outcome.token) this.#former.add(each)
    this.#first.set(outcome.token, this.#sessionOf(token))
    this.#standing.set(outcome.token, { record, version: outcome.version })
  }

  async #destroy(store: SessionStore, token: string): Promise<void> {
    await store.destroy(token)
    if (!this.#revokes) this.#former.add(token)
    else for (const each of this.#sharing(token)) this.#standing.set(each, null)
  }

  #sessionOf(token: string): string {
    return this.#first.get(token) ?? token
  }

  /** Every token of its session: ending one of them ends it. */
  #sharing(token: string): string[] {
    const session = this.#sessionOf(token)
    return [token, ...this.#standing.keys()].filter(each => this.#sessionOf(each) === session)
  }

  /** What the token stands for, if it was found. Both answers are right to a call during which the session ended. */
  #found(token: string, found: boolean, begun: number): Loaded | null {
    const stands = this.#standing.get(token) ?? null
    const expiresAt = stands?.record.expiresAt ?? 0
    if (found) assert.ok(begun < expiresAt, 'a session that is gone was found')
    else assert.ok(Date.now() >= expiresAt || this.#former.has(token), 'a live session was not found')
    if (!found) this.#standing.set(token, null)
    return found ? stands : null
  }

  #tokenOf({ back }: { readonly back: number }): string {
    return [...this.#standing.keys()].at(-1 - back) ?? 'A'.repeat(43)
  }
}

/** The data with the keys set and removed. */
export function changed(data: Data, { set = {}, remove = [] }: KeyChange): Data {
  const kept = Object.entries(data).filter(([key]) => !remove.includes(key))
  return Object.fromEntries([...kept, ...Object.entries(set)])
}

function changeFor(
  { set, remove, life, version, seen = [], guessed = {} }: UpdateCommand,
  stands: Loaded | null,
): SessionChange {
  const expectedValues = { ...Object.fromEntries(seen.map(key => [key, valueAt(stands, key)])), ...guessed }
  return {
    ...(set && { set }),
    ...(remove && { remove }),
    ...(life && { expiresAt: endOf(life) }),
    ...(version && { expectedVersion: version === 'standing' ? (stands?.version ?? '1') : version }),
    ...(Object.keys(expectedValues).length > 0 && { expectedValues }),
  }
}

function holds(
  stands: Loaded,
  { expectedVersion = stands.version, expectedValues = {} }: SessionChange,
): boolean {
  const values = Object.entries(expectedValues)
  return (
    expectedVersion === stands.version &&
    values.every(([key, value]) => isDeepStrictEqual(value, valueAt(stands, key)))
  )
}

function valueAt(stands: Loaded | null, key: string): unknown {
  return stands !== null && Object.hasOwn(stands.record.data, key) ? stands.record.data[key] : undefined
}

function sameLoaded(actual: Loaded, expected: Loaded): void {
  sameRecord(actual.record, expected.record)
  assert.equal(actual.version, expected.version, 'version')
}

function endOf(life: Life): number {
  return Date.now() + lives[life]
}

/** When it ends, unless that is far away. */
function endingSoon(stands: Loaded | null): number {
  const expiresAt = stands?.record.expiresAt ?? 0
  return expiresAt < Date.now() + 1000 ? expiresAt : 0
}
