import { once } from 'node:events'
import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { openSessions } from '@sojourn/core'
import { memoryStore } from '@sojourn/core/memory'
import { session } from '@sojourn/express'
import compression from 'compression'
import express, { type RequestHandler, type Response } from 'express'
import { describe, expect, onTestFinished, test } from 'vitest'

const silent = { info: () => undefined, warn: () => undefined, error: () => undefined }

/** A page behind both, whose session has to be stored; the store answers after `wait` ms. */
async function serve(order: 'above' | 'below', page: RequestHandler, wait = 30): Promise<string> {
  const secret = 'a secret of the tests, long enough for production'
  const store = memoryStore()
  const { create } = store
  store.create = async record => {
    await new Promise(resolve => setTimeout(resolve, wait))
    return create.call(store, record)
  }
  const sessions = await openSessions({ store, secret, env: {}, logger: silent })
  const both = [compression({ threshold: 0 }), session(sessions)]
  const app = express().use(order === 'above' ? both : both.toReversed())
  app.get('/', (req, _res, next) => {
    Object.assign(req.session, { seen: 1 })
    next()
  })
  const server = createServer(app.get('/', page)).listen(0, '127.0.0.1')
  onTestFinished(async () => {
    server.close()
    server.closeAllConnections()
    await sessions.close()
  })
  await once(server, 'listening')
  const address = server.address()
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
}

const chunks = ['a', 'b', 'c', 'd'].map(letter => letter.repeat(20_000))

const ways: Readonly<Record<string, (res: Response) => unknown>> = {
  pipe: res => Readable.from(chunks).pipe(res),
  pipeline: res => pipeline(Readable.from(chunks), res),
  'write and drain': async res => {
    for (const chunk of chunks) if (!res.write(chunk)) await once(res, 'drain')
    res.end()
  },
}

describe.each(['above', 'below'] as const)('compression %s the session', order => {
  test.each(Object.entries(ways))(
    'I6: an answer that waits for its session and is longer than what may wait goes on: %s',
    async (_name, answer) => {
      const url = await serve(order, (_req, res) => void answer(res.type('text/plain')))
      const reply = await fetch(url)
      expect(await reply.text()).toBe(chunks.join(''))
      expect(reply.headers.getSetCookie()).toHaveLength(1)
    },
  )

  test('what is flushed while the session is stored leaves when it is', async () => {
    let end: () => void = () => undefined
    const url = await serve(order, (_req, res) => {
      res.type('text/event-stream').write('data: hello\n\n')
      res.flush()
      end = () => res.end()
    })
    const { body } = await fetch(url)
    const first = await body?.getReader().read()
    expect(Buffer.from(first?.value ?? []).toString()).toBe('data: hello\n\n')
    end()
  })
})
