import type { IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

const mostBytes = 16 * 1024

/** A form that can't be taken; `status` is for the answer. */
export class FormError extends Error {
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.name = 'FormError'
    this.status = status
  }
}

/** @throws FormError if the body is no form, is too large, or comes from another site */
export async function readForm(req: IncomingMessage): Promise<URLSearchParams> {
  // SameSite=Lax keeps the cookie away from other sites' forms; this keeps them from signing anybody in, too.
  if (req.headers['sec-fetch-site'] === 'cross-site')
    throw new FormError(403, 'This form is for this site alone.')
  if (!/^application\/x-www-form-urlencoded\b/i.test(req.headers['content-type'] ?? ''))
    throw new FormError(415, 'A form is expected here.')
  // Browsers tell the length of every form, and Node reads no more than was told.
  const length = Number(req.headers['content-length'] ?? Number.NaN)
  if (Number.isNaN(length)) throw new FormError(411, 'The length of the form is missing.')
  if (length > mostBytes) throw new FormError(413, 'That is more than this page takes.')
  return new URLSearchParams(await text(req))
}
