import { once } from 'node:events'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import type { Check } from '../src/doctor/check.ts'
import { urlChecks } from '../src/doctor/url-checks.ts'

/** What the doctor says of an application that answers so. */
async function verdicts(listener: RequestListener): Promise<string[]> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`)
  const checks: Check[] = await urlChecks(url, { name: 'sid', isWhole: false })
  return checks.map(({ status, name, found }) => `${status} ${name}: ${found.replace(url.origin, '')}`)
}

test('an application that fails is not well', async () => {
  expect(await verdicts((_req, res) => res.writeHead(502).end())).toEqual(['failure url: / answers 502'])
})

test('one that fails once it has a session is not well', async () => {
  const seen = await verdicts((req, res) =>
    req.headers.cookie ? res.writeHead(503).end() : res.setHeader('Set-Cookie', 'sid=a.b').end(),
  )
  expect(seen).toContain('failure url: 24 of 24 parallel requests failed on the server')
  expect(seen.join()).not.toMatch(/ok one session/)
})

test('requests that are refused say nothing of the session', async () => {
  const seen = await verdicts((req, res) =>
    req.headers.cookie ? res.writeHead(429).end() : res.setHeader('Set-Cookie', 'sid=a.b').end(),
  )
  expect(seen).toContain(
    'warning one session: parallel requests were refused with 429, so it can not be told whether they saw the same one',
  )
})

test('a cookie of another name is told of', async () => {
  const seen = await verdicts((_req, res) => res.setHeader('Set-Cookie', '__Host-sid=a.b; Secure').end())
  expect(seen).toContain('warning url cookie: no cookie sid came, but __Host-sid')
})

test('a session whose cookie is only prolonged is the same one', async () => {
  const seen = await verdicts((_req, res) => res.setHeader('Set-Cookie', 'sid=a.b; Max-Age=60').end())
  expect(seen).toContain('ok one session: 24 parallel requests saw the same one')
})

test('a session that others do not know is another one', async () => {
  let made = 0
  const seen = await verdicts((_req, res) => res.setHeader('Set-Cookie', `sid=${++made}.b`).end())
  expect(seen).toContain(
    'failure one session: 24 of 24 parallel requests were given another one: not every process knows it',
  )
})
