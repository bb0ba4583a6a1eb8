// What the benchmark uses of those whose own types add a `session` to Express' request: only one can.
declare module 'express-session' {
  import type { RequestHandler } from 'express'

  interface Options {
    secret: string
    resave: boolean
    saveUninitialized: boolean
    store: object
  }
  /** As express-session keeps it beside the data. */
  interface Cookie {
    maxAge: number
  }
  interface SessionModule {
    (options: Options): RequestHandler
    Cookie: new () => Cookie
    /** What stores extend. */
    Store: new () => object
  }
  const session: SessionModule

  export type { Cookie, SessionModule }
  export default session
}

declare module 'connect-redis' {
  export class RedisStore {
    constructor(options: { client: object; prefix?: string; ttl?: number })
    set(id: string, session: object): Promise<void>
    get(id: string): Promise<unknown>
  }
}

declare module 'session-file-store' {
  import type { SessionModule } from 'express-session'

  interface Options {
    path: string
    ttl: number
    logFn: () => void
  }
  export default function fileStore(session: SessionModule): new (options: Options) => object
}

declare module 'cookie-session' {
  import type { RequestHandler } from 'express'
  export default function cookieSession(options: {
    name: string
    keys: string[]
    maxAge: number
  }): RequestHandler
}

declare module 'koa-session' {
  import type Koa from 'koa'

  interface Store {
    get(key: string): Promise<object | undefined>
    set(key: string, session: object, maxAge: number): Promise<unknown>
    destroy(key: string): Promise<unknown>
  }
  export default function koaSession(
    options: { key: string; maxAge: number; store?: Store },
    app: Koa,
  ): Koa.Middleware
}
