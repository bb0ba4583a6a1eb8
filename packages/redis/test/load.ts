import type { SessionStore } from '@sojourn/core'

const sessionCount = 64
const loopsPerStore = 8

/** An operation that a store acknowledged. Times are those of `performance.now()`. */
interface Acknowledged {
  readonly token: string
  /** The key that was set; absent for a destroy. */
  readonly key?: string
  readonly store: number
  readonly at: number
}

export interface Losses {
  readonly acknowledged: number
  readonly lostUpdates: number
  readonly resurrected: number
}

/**
 * A load on several stores at once, as several processes would make it: every loop sets a key of its own in one of many
 * sessions, again and again; another one creates sessions and destroys them. What is acknowledged is noted.
 */
export class Load {
  readonly acknowledged: Acknowledged[] = []
  refused = 0
  /** Errors that are not "unavailable": a test wants none. */
  readonly odd: unknown[] = []
  readonly #stores: readonly SessionStore[]
  readonly tokens: readonly string[]
  #going = true
  #done: Promise<unknown> = Promise.resolve()

  private constructor(stores: readonly SessionStore[], tokens: readonly string[]) {
    this.#stores = stores
    this.tokens = tokens
  }

  static async start(stores: readonly SessionStore[]): Promise<Load> {
    const [first] = stores
    if (first === undefined) throw new Error('a load needs a store')
    const created = await Promise.all(Array.from({ length: sessionCount }, () => first.create(record())))
    const load = new Load(
      stores,
      created.map(({ token }) => token),
    )
    const loops = stores.flatMap((_, store) => [
      ...Array.from({ length: loopsPerStore }, (_, loop) => load.#write(store, loop)),
      load.#end(store),
    ])
    load.#done = Promise.all(loops)
    return load
  }

  /** Ends it; resolves when nothing is in flight any more. */
  async stop(): Promise<void> {
    this.#going = false
    await this.#done
  }

  /** What of all that was acknowledged before `time` is not there, or is there again. */
  async losses(before: number): Promise<Losses> {
    const own = this.acknowledged.filter(({ at }) => at < before)
    const [store] = this.#stores
    const stands = new Map<string, Readonly<Record<string, unknown>> | null>()
    for (const { token } of own) {
      if (!stands.has(token)) stands.set(token, (await store?.load(token))?.record.data ?? null)
    }
    const isLost = ({ token, key }: Acknowledged) =>
      key !== undefined && stands.get(token)?.[key] === undefined
    const isBack = ({ token, key }: Acknowledged) => key === undefined && stands.get(token) !== null
    return {
      acknowledged: own.length,
      lostUpdates: own.filter(isLost).length,
      resurrected: own.filter(isBack).length,
    }
  }

  /** When each store was first acknowledged an update of one of these sessions after `time`, in milliseconds after it. */
  delaysAfter(time: number, tokens: ReadonlySet<string>): number[] {
    return this.#stores.map((_, store) => {
      const first = this.acknowledged.find(
        each => each.store === store && each.at > time && tokens.has(each.token),
      )
      return first === undefined ? Number.POSITIVE_INFINITY : Math.round(first.at - time)
    })
  }

  async #write(store: number, loop: number): Promise<void> {
    for (let n = 0; this.#going; n++) {
      const token = this.tokens[(loop * 7 + n) % this.tokens.length] ?? ''
      const key = `s${store}-l${loop}-${n}`
      await this.#try(store, async own => {
        const { status } = await own.update(token, { set: { [key]: n } })
        if (status === 'written') this.acknowledged.push({ token, key, store, at: performance.now() })
      })
    }
  }

  async #end(store: number): Promise<void> {
    while (this.#going) {
      await this.#try(store, async own => {
        const { token } = await own.create(record())
        await own.destroy(token)
        this.acknowledged.push({ token, store, at: performance.now() })
      })
      await pause(10)
    }
  }

  async #try(store: number, work: (own: SessionStore) => Promise<void>): Promise<void> {
    const own = this.#stores[store]
    try {
      if (own) await work(own)
    } catch (error) {
      if (!(error instanceof Error && 'status' in error && error.status === 503)) this.odd.push(error)
      this.refused++
      await pause(5)
    }
  }
}

function record() {
  const now = Date.now()
  return { data: {}, createdAt: now, expiresAt: now + 600_000 }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise(done => setTimeout(done, milliseconds))
}
