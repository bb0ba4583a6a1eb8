import { createHmac } from 'node:crypto'
import { Keyring } from '@sojourn/core/store-kit'
import { type Adapter, type OpenSite, type Site, secret, siteOpener } from '@sojourn/http-conformance'
import type { Kind, OutsideMedium } from './kinds.ts'

/** An adapter over a store, on which the rows of the table are tested. */
export interface Place {
  readonly adapter: Adapter
  readonly kind: Kind
  readonly open: OpenSite<OutsideMedium>
}

export const otherSecret = 'another secret, also long enough for production'

export function placeOf(adapter: Adapter, kind: Kind): Place {
  return { adapter, kind, open: siteOpener(adapter, () => kind.newMedium()) }
}

/** A cookie's value without its signature: the id, or the session itself. */
export function tokenOf(value: string): string {
  return value.slice(0, value.lastIndexOf('.'))
}

/** What only somebody can make who has the application's secret. */
export function signed(site: Site<OutsideMedium>, token: string): string {
  const { store, settings } = site.sessions
  const purpose = `token:${store.name}`
  const [key] = new Keyring([secret]).derive(purpose, settings.keyPrefix, settings.cookie.name)
  if (key === undefined) throw new Error('no key')
  return `${token}.${createHmac('sha256', key).update(token).digest('base64').replace(/=+$/, '')}`
}

/** What the server takes the bearer of a cookie for. */
export async function seenAs(site: Site<OutsideMedium>, value: string): Promise<Record<string, unknown>> {
  const headers = { cookie: `${site.sessions.settings.cookie.name}=${value}` }
  return (await site.ask('/read', { headers })).json()
}
