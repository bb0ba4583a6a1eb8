import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { isSessionError } from './errors.ts'
import {
  addCookie,
  refuseHeaders,
  setStatus,
  unfoldHead,
  varyByCookie,
  warnPlainHttp,
  withdrawAnswer,
} from './http-headers.ts'
import type { SessionRequest } from './request.ts'
import type { Sessions } from './sessions.ts'
import { evicts } from './store.ts'

/** What sends, and so is gated from the beginning. */
const senders = ['writeHead', 'write', 'end', 'flushHeaders'] as const
/** What changes the head, and so is refused while the response waits. */
const headers = ['setHeader', 'appendHeader', 'removeHeader'] as const

type Sender = (typeof senders)[number]
type Queue = { readonly method: Sender | 'flush'; readonly args: unknown[] }[]
type Originals = Pick<ServerResponse, Sender>
type Listener = (...args: unknown[]) => void

const gatesOf = Symbol('sojourn.gates')

interface HeldResponse extends ServerResponse {
  /** The outermost first; there are more only if applications with sessions of their own lie in each other. */
  [gatesOf]: [ResponseGate, ...ResponseGate[]]
  /** Of compression: what it has of the answer leaves at once. */
  flush?: () => void
}

/** Bytes that may wait for the commit before `write` asks its caller to pause: that of Node's own streams. */
const highWaterMark = 16 * 1024

/** Holds every byte of a response back until the session is committed: see `attachSession`. */
export class ResponseGate {
  readonly #sessions: Sessions
  readonly #request: SessionRequest
  readonly #req: IncomingMessage
  readonly #res: HeldResponse
  readonly #fail: (error: unknown) => void
  readonly #originals: Originals
  #state: 'idle' | 'held' | 'open' | 'discarding' = 'idle'
  #queue: Queue = []
  /** Who waits for `drain` where ours is not heard. */
  readonly #waiting: Listener[] = []
  #bytes = 0
  #ended = false

  constructor(
    sessions: Sessions,
    request: SessionRequest,
    req: IncomingMessage,
    res: ServerResponse,
    fail: (error: unknown) => void,
  ) {
    this.#sessions = sessions
    this.#request = request
    this.#req = req
    const held = res as HeldResponse
    this.#res = held
    this.#fail = fail
    request.answerer = this
    const { writeHead, write, end, flushHeaders } = res
    this.#originals = { writeHead, write, end, flushHeaders }
    if (gatesOf in res) held[gatesOf].push(this)
    else held[gatesOf] = [this]
    this.#gate()
    if (evicts(sessions.store)) atEnd(req, res, () => request.release())
  }

  /** The request to which these sessions are attached already, by an application around this one. */
  static above(sessions: Sessions, req: IncomingMessage, res: object): SessionRequest | undefined {
    if (!(gatesOf in res)) return undefined
    for (const gate of (res as HeldResponse)[gatesOf])
      if (gate.#sessions === sessions && gate.#req === req) return gate.#request
    return undefined
  }

  #gate(): void {
    Object.assign(this.#res, this.#res[gatesOf][0] === this ? gated : this.#gated())
  }

  /** Of its own, where the response has another gate already. */
  #gated(): Record<string, (...args: unknown[]) => unknown> {
    return Object.fromEntries(
      senders.map(method => [method, (...args: unknown[]) => this.call(method, args)]),
    )
  }

  call(method: Sender, args: unknown[]): unknown {
    if (this.#state === 'open') return this.#send(method, args)
    if (this.#state === 'discarding') {
      // What lies below may send the error's answer only later, and its head with it.
      const isHead = method === 'writeHead' && !this.#res.headersSent
      return isHead ? this.#pass(method, [this.#res.statusCode]) : this.#discard(method, args)
    }
    if (this.#state === 'held') return this.#hold(method, args)
    const own = method === 'writeHead' ? unfoldHead(this.#res, args) : args
    const committing = this.#request.commit()
    if (committing === undefined) {
      const { failure } = this.#request
      if (failure !== undefined && this.#pretends) {
        this.#answer(failure)
        return this.#discard(method, own)
      }
      this.#open()
      // What says that it was a success has been made to say the failure.
      return this.#send(
        method,
        failure !== undefined && method === 'writeHead' ? [this.#res.statusCode] : own,
      )
    }
    this.#shut(committing)
    return this.#enqueue(method, own)
  }

  /** An error that nobody is there to catch: it is the answer, or there is one already. */
  raise(error: Error): void {
    if (this.#state === 'idle' && !this.#res.headersSent) this.#fail(error)
    else process.emitWarning(error)
  }

  #send(method: Sender, args: unknown[]): unknown {
    const answer = this.#pass(method, args)
    // An error was answered in the handler's place, which may still be writing.
    if (method === 'end' && this.#request.failure !== undefined) this.#ignore()
    return answer
  }

  /** Whether what is to leave tells of a success; an error handler's page that only lacks the status does not. */
  get #pretends(): boolean {
    const { statusCode, headersSent } = this.#res
    return !headersSent && statusCode < 400 && (statusCode >= 300 || this.#request.isWithout)
  }

  #pass(method: Sender | 'flush', args: unknown[]): unknown {
    if (method === 'flush') return this.#res.flush?.()
    return Reflect.apply(this.#originals[method], this.#res, args)
  }

  // --- while the response waits for the store -------------------------------------------------------------------

  /** To the handler the response looks as if it were on its way: its head can't change any more. */
  #shut(committing: Promise<void>): void {
    const res = this.#res
    const { statusCode, setHeader, appendHeader, removeHeader } = res
    // HTTP/2 has none, and warns of whoever asks.
    const statusMessage = this.#req.httpVersionMajor > 1 ? '' : res.statusMessage
    this.#state = 'held'
    Object.defineProperty(res, 'headersSent', { value: true, configurable: true })
    for (const method of headers) Object.assign(res, { [method]: refuseHeaders })
    const undo = [this.#shield(), this.#holdFlush(), this.#watchDrain()]
    const unshut = () => {
      for (const each of undo) each()
      Reflect.deleteProperty(res, 'headersSent')
      Reflect.deleteProperty(res, 'writableEnded')
      Object.assign(res, { setHeader, appendHeader, removeHeader })
      res.statusCode = statusCode
      if (statusMessage) res.statusMessage = statusMessage
    }
    committing.then(
      () => {
        unshut()
        this.#release()
      },
      (error: unknown) => {
        unshut()
        this.#refuse(error)
      },
    )
  }

  /**
   * Express' last resort for an error that comes after the answer is to break off the connection: the whole answer, which
   * to its eyes has left, leaves first.
   */
  #shield(): () => void {
    const { socket, httpVersionMajor } = this.#req
    // HTTP/2 has one for many answers, and no such last resort.
    if (httpVersionMajor > 1 || !isConnection(socket)) return () => undefined
    const { destroy } = socket
    let asked = false
    const shielded = (error?: Error) => {
      // Node itself asks for it once the client has hung up: nothing can leave any more.
      if (error !== undefined || !this.#ended || socket.writableEnded) return destroy.call(socket, error)
      asked = true
      return socket
    }
    Object.defineProperty(socket, 'destroy', { value: shielded, configurable: true, writable: true })
    return () => {
      Reflect.deleteProperty(socket, 'destroy')
      if (asked) this.#res.once('finish', () => socket.destroy())
    }
  }

  #holdFlush(): () => void {
    const res = this.#res
    const { flush } = res
    if (flush === undefined) return () => undefined
    const held = () => void this.#queue.push({ method: 'flush', args: [] })
    Object.assign(res, { flush: held })
    return () => void Object.assign(res, { flush })
  }

  /** What wraps `on`, as compression does, may keep listeners to itself. */
  #watchDrain(): () => void {
    const res = this.#res
    if (!Object.hasOwn(res, 'on')) return () => undefined
    const { on } = res
    const watched = (event: string, listener: Listener) => {
      if (event === 'drain') this.#waiting.push(listener)
      return on.call(res, event, listener)
    }
    Object.assign(res, { on: watched })
    return () => void Object.assign(res, { on })
  }

  /** Whoever was asked to pause may go on. */
  #wake(): void {
    const told = this.#res.rawListeners('drain')
    this.#res.emit('drain')
    for (const listener of this.#waiting.splice(0)) if (!told.includes(listener)) listener.call(this.#res)
  }

  #hold(method: Sender, args: unknown[]): unknown {
    if (method !== 'writeHead') return this.#enqueue(method, args)
    // What wraps `write`, such as compression, asks for the implicit head again as long as Node has sent none.
    if (args.length === 1) return this.#res
    return refuseHeaders()
  }

  /** Waits in the queue; answers what Node's own method would. */
  #enqueue(method: Sender, args: unknown[]): unknown {
    this.#queue.push({ method, args })
    if (method === 'write') {
      this.#bytes += sizeOf(args[0])
      return this.#bytes < highWaterMark
    }
    if (method === 'end' && !this.#ended) {
      this.#ended = true
      Object.defineProperty(this.#res, 'writableEnded', { value: true, configurable: true })
    }
    return this.#res
  }

  // --- when the store has answered ------------------------------------------------------------------------------

  #release(): void {
    this.#open()
    const queue = this.#queue.splice(0)
    let flowing = true
    for (const [at, { method, args }] of queue.entries()) {
      try {
        const result = this.#pass(method, args)
        if (method === 'write') flowing = result !== false
      } catch (error) {
        this.#break(error, queue.slice(at))
        return
      }
    }
    if (this.#bytes >= highWaterMark && flowing && !this.#ended) this.#wake()
  }

  /** Node refuses bytes or a status only now; the handler's own call is long over. */
  #break(error: unknown, rest: Queue): void {
    if (!this.#res.headersSent) {
      this.#replace(error, rest)
      return
    }
    this.#sessions.report(error)
    this.#res.destroy()
    for (const { method, args } of rest) this.#discard(method, args)
  }

  /** Nothing has left yet. An answer that is an error already says no less than ours would. */
  #refuse(error: unknown): void {
    if (this.#res.statusCode < 400) {
      this.#replace(error, this.#queue.splice(0))
      return
    }
    this.#sessions.report(error)
    this.#release()
  }

  /** The answer becomes the error: the framework's if the handler is done, else one of ours. */
  #replace(error: unknown, queue: Queue): void {
    if (this.#ended) {
      withdrawAnswer(this.#res, error)
      this.#state = 'idle'
      // What wrapped these in between, such as compression, takes the answer for sent and would swallow the error's.
      this.#gate()
      this.#fail(error)
    } else {
      this.#answer(error)
    }
    for (const { method, args } of queue) this.#discard(method, args)
    if (this.#bytes >= highWaterMark) this.#wake()
  }

  /** With the error, plainly; whatever else is sent is ignored. */
  #answer(error: unknown): void {
    this.#sessions.report(error)
    withdrawAnswer(this.#res, error)
    this.#open()
    this.#res.setHeader('Content-Type', 'text/plain; charset=utf-8')
    this.#pass('end', [
      isSessionError(error) && error.expose ? error.message : 'The session could not be stored.',
    ])
    this.#ignore()
  }

  /** From now on nothing that the handler still does counts, and nothing of it throws. */
  #ignore(): void {
    this.#state = 'discarding'
    for (const method of headers) Object.assign(this.#res, { [method]: () => this.#res })
  }

  /** Swallows what belongs to the answer that was replaced, so that the handler comes to its end. */
  #discard(method: Sender | 'flush', args: unknown[]): unknown {
    const callback = args.findLast(arg => typeof arg === 'function')
    if (typeof callback === 'function') process.nextTick(() => callback())
    return method === 'write' ? true : this.#res
  }

  /** From now on everything goes straight to the socket, with the headers that the session asks for. */
  #open(): void {
    const res = this.#res
    this.#state = 'open'
    const { looked, setCookie, failure, isWithout } = this.#request
    if (res.headersSent) return
    // An error handler's page without an error's status.
    if (failure !== undefined && res.statusCode < 400) setStatus(res, failure)
    if (looked || setCookie !== undefined) varyByCookie(res)
    if (isWithout && !res.hasHeader('Cache-Control')) res.setHeader('Cache-Control', 'no-store')
    if (setCookie === undefined) return
    addCookie(res, setCookie)
    if (this.#sessions.settings.cookie.secure) warnPlainHttp(this.#sessions, this.#req)
  }
}

/**
 * For an answer that may leave by another way than the response, such as a WebSocket's: what is changed until the
 * connection has closed is stored then. An upgrade's response never ends, so its session is committed; of another one a
 * handler may still be at work, and end it.
 */
export function saveAtEnd(
  sessions: Sessions,
  request: SessionRequest,
  req: IncomingMessage,
  res: ServerResponse,
): void {
  const save = () => {
    const storing = isUpgrade(req) ? request.commit() : request.isOpen ? request.save() : undefined
    storing?.catch(error => sessions.report(error))
  }
  // Others that listen to the close may still change something.
  atEnd(req, res, () => setImmediate(save))
}

/**
 * When nothing of the request can follow any more. A client that hangs up may leave it without an end, even before it came
 * here. The response of an upgrade to a WebSocket is never sent and never closes; one that waits for its turn on a
 * connection may not close either if that does.
 */
function atEnd(req: IncomingMessage, res: ServerResponse, work: () => void): void {
  if (res.closed || res.destroyed || req.socket?.destroyed) work()
  else
    res.once('close', res.socket === null && isConnection(req.socket) ? onceClosed(req.socket, work) : work)
}

/** One to whose server somebody listens for upgrades. Node's types do not tell of it. */
export function isUpgrade(req: IncomingMessage): boolean {
  return 'upgrade' in req && req.upgrade === true
}

/** One that was made up, as in tests, may have none. */
function isConnection(socket: Partial<Socket> | null | undefined): socket is Socket {
  return typeof socket?.once === 'function'
}

const waiting = new WeakMap<Socket, Set<() => void>>()

/** Calls `work` when the connection closes, or when the result is called. One listener for all: many may wait on a connection. */
function onceClosed(socket: Socket, work: () => void): () => void {
  const known = waiting.get(socket)
  const works = known ?? new Set()
  if (known === undefined) {
    waiting.set(socket, works)
    socket.once('close', () => {
      for (const each of works) each()
    })
  }
  works.add(work)
  return () => {
    works.delete(work)
    work()
  }
}

/** One function per method for all responses: no closure per request. */
const gated = {
  writeHead(this: HeldResponse, ...args: unknown[]): unknown {
    return this[gatesOf][0].call('writeHead', args)
  },
  write(this: HeldResponse, ...args: unknown[]): unknown {
    return this[gatesOf][0].call('write', args)
  },
  end(this: HeldResponse, ...args: unknown[]): unknown {
    return this[gatesOf][0].call('end', args)
  },
  flushHeaders(this: HeldResponse): unknown {
    return this[gatesOf][0].call('flushHeaders', [])
  },
}

function sizeOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
