// What is used of it. Its own types declare `req.session` of Express otherwise than ours, and both would meet here.
declare module 'express-session' {
  import { EventEmitter } from 'node:events'

  namespace session {
    interface Cookie {
      readonly expires?: Date | string | null
    }
    interface SessionData {
      readonly cookie: Cookie
    }
    type Callback = (error?: unknown, session?: SessionData | null) => void

    class Store extends EventEmitter {
      get(sid: string, callback: Callback): void
      set(sid: string, session: SessionData, callback?: Callback): void
      touch(sid: string, session: SessionData, callback?: Callback): void
      destroy(sid: string, callback?: Callback): void
      load(sid: string, callback: Callback): void
      regenerate(req: object, callback: (error?: unknown) => void): void
      createSession(req: object, data: SessionData): SessionData
    }
    class MemoryStore extends Store {}
  }
  function session(options: object): (req: object, res: object, next: () => void) => void
  export = session
}
