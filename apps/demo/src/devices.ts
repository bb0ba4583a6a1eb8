import type { SignedIn } from '@sojourn/core'
import { type Html, html } from './html.ts'
import type { Visit } from './visit.ts'

/** A page shows no more; an application would page on. */
const mostShown = 50

/** The security page: where this user is signed in, and how to end that. */
export async function devices({ session, sessions }: Visit): Promise<Html> {
  const { userId } = session
  if (userId === undefined) {
    return html`<section class="hero">
  <h1>Where you are signed in</h1>
  <p>Nowhere, as far as this browser knows. <a href="/">Sign in</a> here and in a second browser, and come back.</p>
</section>`
  }
  const all = sessions.ofUser(userId)
  const here = all.handleOf(session)
  const shown: SignedIn[] = []
  for await (const signedIn of all.list()) if (shown.push(signedIn) === mostShown) break
  shown.sort((a, b) => Number(b.handle === here) - Number(a.handle === here) || b.lastUsedAt - a.lastUsedAt)
  return html`<section class="devices">
  <h1>Where you are signed in</h1>
  <ul>${shown.map(signedIn => device(signedIn, signedIn.handle === here))}</ul>
  ${shown.length > 1 && html`<form method="post" action="/sign-out-others"><button class="primary">Sign out everywhere else</button></form>`}
</section>`
}

function device({ handle, metadata, createdAt, lastUsedAt }: SignedIn, isHere: boolean): Html {
  return html`<li class="card"${isHere && html` aria-current="true"`}>
    <div>
      <h2>${text(metadata?.device)}${isHere && html` <mark>This device</mark>`}</h2>
      <p class="device-facts">${text(metadata?.address)} · signed in ${time(createdAt)} · last used ${time(lastUsedAt)}</p>
    </div>
    ${!isHere && html`<form method="post" action="/sign-out-device"><button name="handle" value="${handle}">Sign out</button></form>`}
  </li>`
}

/** What the sign-in notes of the browser that it came from. */
export function noteOf({ req }: Visit): { device: string; address: string } {
  const agent = req.headers['user-agent'] ?? ''
  const find = (names: readonly (readonly [RegExp, string])[]) =>
    names.find(([sign]) => sign.test(agent))?.[1]
  const browser = find([
    [/Edg/, 'Edge'],
    [/Firefox/, 'Firefox'],
    [/Chrome/, 'Chrome'],
    [/Safari/, 'Safari'],
  ])
  const system = find([
    [/Android/, 'Android'],
    [/iPhone|iPad/, 'iOS'],
    [/Windows/, 'Windows'],
    [/Mac OS/, 'macOS'],
    [/Linux/, 'Linux'],
  ])
  const device = [browser ?? 'A browser', system].filter(Boolean).join(' on ')
  return { device, address: req.socket.remoteAddress?.replace(/^::ffff:/, '') ?? '' }
}

function text(value: unknown): string {
  return typeof value === 'string' && value !== '' ? value : 'unknown'
}

function time(epoch: number): Html {
  const iso = new Date(epoch).toISOString()
  return html`<time datetime="${iso}">${iso.slice(0, 16).replace('T', ' ')} UTC</time>`
}
