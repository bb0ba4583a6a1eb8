import type { Session } from '@sojourn/core'
import { devices } from './devices.ts'
import { type Html, html } from './html.ts'
import { layout } from './layout.ts'
import type { Stop, Visit } from './visit.ts'

export const pages: Readonly<Record<string, (visit: Visit) => Html | Promise<Html>>> = {
  '/': visit => layout(visit, 'Your session', home(visit.session)),
  '/devices': async visit => layout(visit, 'Where you are signed in', await devices(visit)),
  '/try': visit => layout(visit, 'What to try', whatToTry()),
}

function home(session: Session): Html {
  return html`${session.userId === undefined ? signIn() : signedIn(session.userId)}
${session.trail && trail(session.trail)}
<div class="cards">
  ${note(session.note ?? '')}
  ${counter(session.count ?? 0)}
</div>`
}

function signIn(): Html {
  return html`<section class="hero">
  <h1>You are signed out</h1>
  <p>Sign in once. From then on it does not matter which server or which of its processes answers you.</p>
  <form class="sign-in" method="post" action="/sign-in">
    <label for="name">Name</label>
    <input id="name" name="name" required maxlength="40" autocomplete="nickname" placeholder="Ada">
    <button class="primary">Sign in</button>
  </form>
</section>`
}

function signedIn(name: string): Html {
  return html`<section class="hero">
  <h1>Hello, ${name}</h1>
  <p>You are signed in. Reload: another process answers, and still knows you.</p>
  <form method="post" action="/sign-out"><button>Sign out</button></form>
</section>`
}

/** The proof: one session, answered by many. */
function trail(stops: readonly Stop[]): Html {
  const pids = [...new Set(stops.map(({ pid }) => pid))].toSorted()
  const processes = pids.length === 1 ? 'one process' : `${pids.length} processes`
  const stop = ({ pid, server }: Stop) =>
    html`<li class="hue-${pids.indexOf(pid) % 8}"><span>${server}</span> <b class="mono">${pid}</b></li>`
  return html`<section class="trail">
  <h2>Your last ${stops.length === 1 ? 'page' : `${stops.length} pages`} came from ${processes}</h2>
  <ol>${stops.map(stop)}</ol>
</section>`
}

function note(text: string): Html {
  return html`<section class="card">
    <h2><label for="note">A note</label></h2>
    <form method="post" action="/note">
      <textarea id="note" name="note" rows="4" maxlength="280" placeholder="Write here, read it on the other server.">${text}</textarea>
      <button>Keep it</button>
    </form>
  </section>`
}

function counter(count: number): Html {
  return html`<section class="card" id="counter">
    <h2>A counter</h2>
    <p class="count" data-fact="count">${count}</p>
    <form method="post" action="/count"><button>Add one</button></form>
  </section>`
}

function whatToTry(): Html {
  return html`<section class="steps">
  <h1>What to try</h1>
  <ol>
    <li><h2>Reload</h2><p>The process id above changes with every reload: several processes take turns. Signed in, you
      stay signed in.</p></li>
    <li><h2>Change servers</h2><p>Open the same page on the other server. It is another framework on another port, and
      the session is the same: your name, note, counter and theme are there.</p></li>
    <li><h2>Kill the process that answered</h2><p><code>kill -9 ${process.pid}</code>, then reload. It is replaced, and
      your session was never in it.</p></li>
    <li><h2>Sign in twice</h2><p>In a second browser, or a private window, under the same name. Each sees the other on
      the page <a href="/devices">Where you are signed in</a>, and can sign it out.</p></li>
    <li><h2>Sign out there, look here</h2><p>A sign-out counts everywhere at once, also for requests that are still
      running.</p></li>
    <li><h2>See the illness</h2><p>Stop the demo and start it with <code>--store memory</code>. Now each process
      remembers for itself, as many applications do by default: signed in, signed out, signed in.</p></li>
  </ol>
</section>`
}
