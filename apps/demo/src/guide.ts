export const help = `Serves the demo by Express and by Koa, over the same sessions.

  --store <name>          memory, filesystem, cookie or redis; default: chosen by core
  --server <kind>         cluster (processes) or threads; default cluster
  --workers <count>       processes or threads per server; default 3
  --express-port <port>   default 3000, or the next free one
  --koa-port <port>       default 3001, or the next free one
`

/** What a newcomer should try, once both servers listen. */
export function guide(express: string, koa: string): string {
  return `
  Express   http://localhost:${express}
  Koa       http://localhost:${koa}

  Sign in on one and reload: each time another process answers, and you stay signed in.
  Open the other: the same session. Sign out there: signed out here.
  Ctrl-C stops both. To see what is cured here, start again with --store memory.

`
}
