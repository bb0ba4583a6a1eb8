// Serves a subject on a free port of loopback, with one process or more, and sends the port and the pids to its parent.
import cluster from 'node:cluster'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { idOf, subjects } from './subjects/index.ts'

const [id, redisUrl = '', folder = '', workers = '1'] = process.argv.slice(2)
const subject = subjects.find(each => idOf(each) === id)
if (subject === undefined) throw new Error(`no subject ${id}`)

if (cluster.isPrimary && workers !== '1') {
  const all = Array.from({ length: Number(workers) }, () => cluster.fork())
  const addresses = await Promise.all(all.map(worker => once(worker, 'listening')))
  const [[{ port }]] = addresses as [[AddressInfo]]
  process.send?.({ port, pids: all.map(({ process: { pid } }) => pid) })
  process.on('disconnect', () => {
    for (const worker of all) worker.process.kill('SIGKILL')
    process.exit()
  })
} else {
  const server = createServer(await subject.open({ redisUrl, folder }))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  if (cluster.isPrimary) {
    process.send?.({ port: (server.address() as AddressInfo).port, pids: [process.pid] })
    process.on('disconnect', () => process.exit())
  }
}
