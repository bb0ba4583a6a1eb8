import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Demo, startDemo } from './demo.ts'

let demo: Demo

beforeAll(async () => {
  demo = await startDemo(['--store', 'filesystem', '--workers', '1'])
})

afterAll(async () => {
  await demo?.stop()
})

describe.each(['express', 'koa'] as const)('%s', server => {
  const form = { 'content-type': 'application/x-www-form-urlencoded' }

  function post(path: string, body: string, headers: Record<string, string> = form): Promise<Response> {
    return fetch(demo[server] + path, { method: 'POST', body, headers, redirect: 'manual' })
  }

  test('a visitor who looks around gets no cookie', async () => {
    for (const path of ['/', '/try', '/']) {
      const response = await fetch(demo[server] + path)
      expect(response.status).toBe(200)
      expect(response.headers.get('set-cookie')).toBeNull()
    }
  })

  test('a sign-in is answered with a redirect and the cookie', async () => {
    const response = await post('/sign-in', 'name=Ada')
    expect(response.status).toBe(303)
    expect(response.headers.get('location')).toBe('/')
    expect(response.headers.get('set-cookie')).toMatch(/^sid=[^;]+; Path=\/; HttpOnly; SameSite=Lax$/)
  })

  test.each([
    ['a form that is too large', 413, 'x'.repeat(20_000), form],
    ['what is no form', 415, '{}', { 'content-type': 'application/json' }],
    ["another site's form", 403, 'name=Eve', { ...form, 'sec-fetch-site': 'cross-site' }],
  ])('%s is refused with %i and no cookie', async (_what, status, body, headers) => {
    const response = await post('/sign-in', body, headers)
    expect(response.status).toBe(status)
    expect(response.headers.get('set-cookie')).toBeNull()
    expect(await response.text()).toMatch(/<h1>/)
  })

  test('unknown pages and methods are refused', async () => {
    expect((await fetch(`${demo[server]}/constructor`)).status).toBe(404)
    expect((await post('/try', '')).status).toBe(405)
    expect((await fetch(`${demo[server]}/sign-out`)).status).toBe(404)
  })

  test('HEAD is a page without its body', async () => {
    const response = await fetch(demo[server], { method: 'HEAD' })
    expect(response.status).toBe(200)
    expect(await response.text()).toBe('')
  })
})
