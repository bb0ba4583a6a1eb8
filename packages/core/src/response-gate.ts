import type { IncomingMessage, ServerResponse } from 'node:http'
import { isConnection, shield } from './connection.ts'
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
import { atEnd } from './request-end.ts'
import type { Sessions } from './sessions.ts'
import { evicts } from './store.ts'

/** What changes the head, and so is refused while the response waits. */
const headers = ['setHeader', 'appendHeader', 'removeHeader'] as const

/** What sends, and so is gated from the beginning. */
type Sender = 'writeHead' | 'write' | 'end' | 'flushHeaders'
type Senders = Record<Sender, unknown>
type View = 'headersSent' | 'writableEnded'
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
    const own: Senders = this.#res[gatesOf][0] === this ? gated : this.#gated()
    const sending: Senders = this.#res
    sending.writeHead = own.writeHead
    sending.write = own.write
    sending.end = own.end
    sending.flushHeaders = own.flushHeaders
  }

  /** Of its own, where the response has another gate already. */
  #gated(): Senders {
    const gate =
      (method: Sender) =>
      (...args: unknown[]) =>
        this.call(method, args)
    return {
      writeHead: gate('writeHead'),
      write: gate('write'),
      end: gate('end'),
      flushHeaders: gate('flushHeaders'),
    }
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

  /** Whether the response waits for the store. */
  get holds(): boolean {
    return this.#state === 'held'
  }

  /** Whether a response that waits has its end already. */
  get holdsEnd(): boolean {
    return this.holds && this.#ended
  }

  /** What the response tells of itself, whoever asks in its name. */
  beneath(property: View): unknown {
    return Reflect.get(Object.getPrototypeOf(this.#res), property, this.#res)
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
    Object.defineProperties(res, heldView)
    for (const method of headers) Object.assign(res, { [method]: refuseHeaders })
    const undo = [this.#shield(), this.#holdFlush(), this.#watchDrain()]
    const unshut = () => {
      this.#state = 'idle'
      for (const each of undo) each()
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
    const leave = shield(socket, () => this.#ended)
    return () => leave(this.#res)
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
    if (method === 'end') this.#ended = true
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

/** One function per method for all responses: no closure per request. */
const gated: Senders & ThisType<HeldResponse> = {
  writeHead(...args: unknown[]) {
    return this[gatesOf][0].call('writeHead', args)
  },
  write(...args: unknown[]) {
    return this[gatesOf][0].call('write', args)
  },
  end(...args: unknown[]) {
    return this[gatesOf][0].call('end', args)
  },
  flushHeaders() {
    return this[gatesOf][0].call('flushHeaders', [])
  },
}

/**
 * What a response tells of itself while it waits. Once given it stays with that response: V8 treats an object of which a
 * property was deleted as a dictionary, and slows down whatever of Node's has seen one, for all responses of the process.
 */
const heldView: PropertyDescriptorMap = {
  headersSent: viewOf('headersSent', gate => gate.holds),
  writableEnded: viewOf('writableEnded', gate => gate.holdsEnd),
}

function viewOf(
  property: View,
  holds: (gate: ResponseGate) => boolean,
): PropertyDescriptor & ThisType<HeldResponse> {
  return {
    configurable: true,
    get() {
      return this[gatesOf].some(holds) || this[gatesOf][0].beneath(property)
    },
    // A response that was made up, as in tests, keeps it by itself.
    set(value) {
      Object.defineProperty(this, property, { value, configurable: true, enumerable: true, writable: true })
    },
  }
}

function sizeOf(chunk: unknown): number {
  if (typeof chunk === 'string') return Buffer.byteLength(chunk)
  return chunk instanceof Uint8Array ? chunk.byteLength : 0
}
