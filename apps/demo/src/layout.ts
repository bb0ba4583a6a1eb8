import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { STATUS_CODES } from 'node:http'
import { join } from 'node:path'
import { Html, html } from './html.ts'
import { processName, type Visit } from './visit.ts'

// The compiler copies no style sheets: dist/ reads the one in src/.
const style = new Html(
  `<style>${readFileSync(join(import.meta.dirname, '../src/style.css'), 'utf8')}</style>`,
)
const styleHash = createHash('sha256')
  .update(style.text.slice('<style>'.length, -'</style>'.length))
  .digest('base64')

/** No script, nothing from elsewhere, the one style sheet. */
export const securityPolicy: string = `default-src 'none'; style-src 'sha256-${styleHash}'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'`

const icon =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'%3E%3Crect width='32' height='32' rx='9' fill='%23c2410c'/%3E%3Cpath d='M8 22V13l8-5 8 5v9' fill='none' stroke='white' stroke-width='3' stroke-linejoin='round' stroke-linecap='round'/%3E%3C/svg%3E"

const links = [
  { path: '/', label: 'Your session' },
  { path: '/devices', label: 'Devices' },
  { path: '/try', label: 'What to try' },
]

const themes = [
  { value: 'auto', label: 'Auto' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
]

/** A page of the site: brand, navigation, theme, messages, who answered, content. */
export function layout(visit: Visit, title: string, content: Html): Html {
  const { session, path } = visit
  const messages = { notice: session.flash('notice'), problem: session.flash('problem') }
  return frame(
    title,
    session.theme,
    html`<header class="top">
  <a class="brand" href="/"><img src="${icon}" alt="" width="32" height="32">Sojourn</a>
  <nav aria-label="Pages">${links.map(link => navLink(link, path))}</nav>
  ${themeSwitch(session.theme ?? 'auto', path)}
</header>
<main>
  ${messages.notice.map(text => html`<p class="message" role="status">${text}</p>`)}
  ${messages.problem.map(text => html`<p class="message problem" role="alert">${text}</p>`)}
  ${answeredBy(visit)}
  ${content}
</main>
<footer>One site, served by Express and by Koa, over the same sessions.</footer>`,
  )
}

/** Without a session: it may be what failed. */
export function errorPage(status: number, message: string): Html {
  return frame(
    `${STATUS_CODES[status]}`,
    undefined,
    html`<main class="error">
  <p class="code">${status}</p>
  <h1>${STATUS_CODES[status]}</h1>
  <p>${message}</p>
  <p><a class="button" href="/">Back to your session</a></p>
</main>`,
  )
}

function frame(title: string, theme: string | undefined, body: Html): Html {
  return html`<!doctype html>
<html lang="en"${theme && html` data-theme="${theme}"`}>
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="${theme ?? 'light dark'}">
<title>${title} · Sojourn demo</title>
<link rel="icon" href="${icon}">
${style}
</head>
<body>
${body}
</body>
</html>
`
}

function navLink({ path, label }: { path: string; label: string }, current: string): Html {
  return html`<a href="${path}"${path === current && html` aria-current="page"`}>${label}</a>`
}

function themeSwitch(current: string, path: string): Html {
  const button = ({ value, label }: { value: string; label: string }) =>
    html`<button name="theme" value="${value}" aria-pressed="${String(value === current)}">${label}</button>`
  return html`<form class="themes" method="post" action="/theme" role="group" aria-label="Theme">
    <input type="hidden" name="back" value="${path}">${themes.map(button)}
  </form>`
}

function answeredBy(visit: Visit): Html {
  const { server, sessions, path } = visit
  const store = sessions.store.name
  const other = server === 'Express' ? 'Koa' : 'Express'
  const url = otherUrl(visit)
  return html`<section class="answered" aria-label="Who answered this page">
  <dl>
    <div><dt>Server</dt><dd data-fact="server">${server}</dd></div>
    <div><dt>Process</dt><dd data-fact="pid" class="mono">${processName}</dd></div>
    <div><dt>Store</dt><dd data-fact="store">${store}</dd></div>
  </dl>
  ${url && html`<a class="button" href="${url}${path}">This page on ${other} <span aria-hidden="true">→</span></a>`}
</section>
${
  store === 'memory' &&
  html`<p class="message problem">This run shows the illness: each worker remembers for itself. Sign in, then reload
  and see. <code>pnpm demo</code> without <code>--store memory</code> is the cure.</p>`
}`
}

/** Cookies ignore ports, so the same host name on the other port has the same session. */
function otherUrl({ server, req }: Visit): string | undefined {
  const port = server === 'Express' ? process.env.DEMO_KOA_PORT : process.env.DEMO_EXPRESS_PORT
  const host = `http://${req.headers.host}`
  if (!port || !URL.canParse(host)) return undefined
  return `http://${new URL(host).hostname}:${port}`
}
