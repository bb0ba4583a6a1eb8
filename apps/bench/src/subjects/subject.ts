import type { RequestListener } from 'node:http'
import { createClient, type RedisClientType } from 'redis'

/** Where the subjects keep their sessions. */
export interface Place {
  readonly redisUrl: string
  /** A folder for each subject's own use. */
  readonly folder: string
}

/** A server with one way to keep sessions, as it is measured. */
export interface Subject {
  readonly framework: 'express' | 'koa' | 'http'
  /** `bare` keeps none; `ideal` is the least code that reads one session from the same store. */
  readonly kind: 'bare' | 'ideal' | 'peer' | 'sojourn'
  readonly name: string
  readonly store: 'none' | 'redis' | 'filesystem' | 'signed cookie' | 'sealed cookie'
  open(place: Place): Promise<RequestListener>
}

/** What a site keeps of a visitor. */
export interface Visit {
  userId?: string | undefined
  cart?: readonly Item[] | undefined
  views?: number | undefined
}

export interface Item {
  readonly sku: string
  readonly quantity: number
  readonly price: number
}

export const quiet = { info: (): void => {}, warn: (): void => {}, error: (): void => {} }

/** As its README shows it. */
export async function redisClient({ redisUrl }: Place): Promise<RedisClientType> {
  const client: RedisClientType = createClient({ url: redisUrl })
  await client.connect()
  return client
}

export const secret = 'a secret of the benchmark that has 32 bytes and more'
export const day: number = 24 * 60 * 60 * 1000
/**
 * Longer than a run. The load keeps the cookie that it got at first, as no browser does: a session that lives in its cookie
 * would be touched, and its cookie be made anew, not once a minute but at every request from the second minute on.
 */
export const touchInterval: number = day / 2

/** Ten items. */
export const cart: readonly Item[] = Array.from({ length: 10 }, (_, i) => ({
  sku: `item-${1000 + i}`,
  quantity: 1 + (i % 3),
  price: 1999 + i,
}))

/** What everybody answers: the same bytes for the same visitor. */
export function page({ userId, cart: items = [] }: Visit): string {
  return `<!doctype html><title>Shop</title><p>Hello, ${userId ?? 'stranger'}. ${items.length} items in your cart.</p>`
}

/** For those who keep no sessions: as if they did. */
export const pretended: Visit = { userId: 'user-500', cart }

/** By hand: the value of a cookie, as it was sent. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  if (header === undefined || !header.startsWith(`${name}=`)) return undefined
  return header.slice(name.length + 1)
}
