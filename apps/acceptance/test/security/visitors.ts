import { describe, expect, test } from 'vitest'
import type { Place } from './place.ts'
import { sendBytes } from './wire.ts'

/** What visitors cost who have no session. */
export function visitors({ open }: Place): void {
  describe('visitors', () => {
    test('R25: 10,000 anonymous requests, half of them looking at the session: nothing is stored, no cookie is set', async () => {
      const site = await open()
      const request = (path: string, connection = 'keep-alive') =>
        `GET ${path} HTTP/1.1\r\nHost: site\r\nConnection: ${connection}\r\n\r\n`
      const many = (request('/still') + request('/read')).repeat(5000)
      const replies = await sendBytes(
        site.port,
        many.slice(0, -request('/read').length) + request('/read', 'close'),
      )
      expect(replies.match(/HTTP\/1\.1 200 OK/g)).toHaveLength(10_000)
      expect(replies).not.toMatch(/^set-cookie:/im)
      expect(await site.stored()).toEqual([])
    })
  })
}
