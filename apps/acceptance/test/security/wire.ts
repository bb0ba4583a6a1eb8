import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

/** Sends bytes that no HTTP client would, over one connection; all that comes back until the server closes it. */
export async function sendBytes(port: number, bytes: string): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  socket.write(bytes, 'latin1')
  return text(socket)
}
