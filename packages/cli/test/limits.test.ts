import { once } from 'node:events'
import { Agent, get } from 'node:http'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { fixture, serve } from './serving.ts'

test('--request-timeout: a request that is not answered in time gets a 503, and the log says so', async () => {
  const serving = serve(fixture('who.mjs'), '--workers', '1', '--request-timeout', '0.3')
  const [response] = await once(get(`${await serving.address()}/never`), 'response')
  expect(response.statusCode).toBe(503)
  await serving.line(/^A request was not answered within 0.3 s: 503/)
})

test('--request-timeout: a request that does not come in in time gets a 408', async () => {
  const serving = serve(fixture('who.mjs'), '--workers', '1', '--request-timeout', '0.3')
  const socket = connect(Number(new URL(await serving.address()).port), '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\n')
  expect(await text(socket)).toMatch(/^HTTP\/1\.1 408 /)
})

test('--keep-alive: a connection that waits longer for its next request is closed', async () => {
  const serving = serve(fixture('who.mjs'), '--workers', '1', '--keep-alive', '0.2')
  const agent = new Agent({ keepAlive: true })
  const [response] = await once(get(await serving.address(), { agent }), 'response')
  const closed = once(response.socket, 'close')
  await text(response)
  await closed
})

test('--stop-timeout: what takes longer is cut, and the exit code tells', async () => {
  const serving = serve(fixture('who.mjs'), '--workers', '1', '--stop-timeout', '0.3')
  const hanging = once(get(`${await serving.address()}/never`), 'response')
  const outcome = hanging.catch((error: Error) => error)
  await new Promise(resolve => setTimeout(resolve, 300))
  serving.signal('SIGTERM')
  expect(await outcome).toBeInstanceOf(Error)
  expect(await serving.exit).toBe(1)
  expect(serving.output).toMatch(/^1 requests took longer than 0.3 s and were cut/m)
})
