import {
  append,
  type HistoryRecorder,
  historyData,
  keyOf,
  type Operation,
  seenIn,
} from '@sojourn/conformance/history'
import { isSessionError, type Session, type Sessions } from '@sojourn/core'

/** A session as the test knows it. */
export interface NamedSession {
  readonly name: string
  /** The header of a browser that has it. */
  readonly cookie: string
}

type Answer = Pick<Operation, 'result' | 'seen'>
type Kind = Exclude<Operation['kind'], 'create'>

/** What the errors mean that a request may end with. Any other one is a fault of ours, also in the midst of trouble. */
const results: Readonly<Record<string, Answer['result']>> = {
  'ERR_SESSION_GONE 409': 'gone',
  'ERR_SESSION_CONFLICT 409': 'refused',
  'ERR_SESSION_STORE_UNAVAILABLE 503': 'unknown',
}

/** Does to sessions what a server would do, one request per operation, and records it. */
export class SessionClient {
  readonly #sessions: Sessions
  readonly #recorder: HistoryRecorder

  constructor(sessions: Sessions, recorder: HistoryRecorder) {
    this.#sessions = sessions
    this.#recorder = recorder
  }

  /** @param sent the header of a browser that had a session */
  async create(name: string, sent?: string): Promise<NamedSession> {
    let cookie: string | undefined
    await this.#recorder.record({ session: name, kind: 'create' }, async () => {
      const request = this.#sessions.begin(sent)
      await request.load()
      Object.assign(request.session, historyData(name))
      await request.commit()
      cookie = request.setCookie?.split(';')[0]
      return { result: 'done' }
    })
    if (cookie === undefined) throw new Error('no session was created')
    return { name, cookie }
  }

  async run(kind: Kind, { name, cookie }: NamedSession): Promise<Answer['result']> {
    const mark = this.#recorder.mark()
    const marked = kind === 'set' || kind === 'append'
    const begun = { session: name, kind, ...(marked && { mark }) }
    const { result } = await this.#recorder.record(begun, () => this.#request(kind, cookie, mark))
    return result
  }

  async #request(kind: Kind, cookie: string, mark: string): Promise<Answer> {
    const request = this.#sessions.begin(cookie)
    try {
      await request.load()
      const { session } = request
      if (session.isNew) return { result: 'gone' }
      const seen = await steps[kind](session, mark)
      await request.commit()
      return { result: 'done', ...(seen && { seen }) }
    } catch (error) {
      const result = isSessionError(error) && results[`${error.code} ${error.status}`]
      if (result) return { result }
      throw error
    } finally {
      request.release()
    }
  }
}

type Seen = ReturnType<typeof seenIn>

const steps: Record<Kind, (session: Session, mark: string) => Seen | undefined | Promise<Seen | undefined>> =
  {
    load: session => seenIn({ ...session }),
    set(session, mark) {
      Object.assign(session, { [keyOf(mark)]: true })
      return undefined
    },
    append: (session, mark) =>
      session.update(data => {
        append(data, mark)
        return seenIn(data)
      }),
    async destroy(session) {
      await session.destroy()
      return undefined
    },
  }
