import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { openSessions } from '@sojourn/core'
import { session } from '@sojourn/express'
import express from 'express'

/** Of SHA-256: about a millisecond of a processor. */
const bytes = Buffer.alloc(2 ** 21)
/** Milliseconds of a query, say. */
const query = 30

/** What an application's processes spend their time with. */
const app = express().use(session(await openSessions()))

app.get('/processor', (req, res) => {
  res.end(`${compute()} ${req.session.userId ?? ''}`)
})

app.get('/waiting', async (req, res) => {
  await sleep(query)
  res.end(req.session.userId ?? '')
})

app.get('/both', async (req, res) => {
  await sleep(query)
  res.end(`${compute()} ${req.session.userId ?? ''}`)
})

/** As `execSync` does, or a driver that knows no promises. */
app.get('/blocking', (req, res) => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, query)
  res.end(req.session.userId ?? '')
})

export default app

function compute(): string {
  return createHash('sha256').update(bytes).digest('hex')
}
