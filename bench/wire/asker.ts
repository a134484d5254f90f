/*
 * A client in a process of its own that is ready: told a port, it connects, asks for the versions and tells when the answer was there. What a
 * client costs in a process that has never opened a socket is no part of what is measured.
 */
import { once } from 'node:events'
import { connect, createServer, type AddressInfo } from 'node:net'

/** ApiVersions 0, of a client without a name. */
const API_VERSIONS = Buffer.from(`0000000a${'0012'}${'0000'}${'00000000'}${'0000'}`, 'hex')

await warmUp()
process.on('message', (port: number) => {
  void ask(port).then(() => process.send!(performance.timeOrigin + performance.now()))
})
process.send!('ready')

async function ask(port: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  socket.write(API_VERSIONS)
  await once(socket, 'data')
  socket.destroy()
}

/** Asks somebody who answers at once, some times. */
async function warmUp(): Promise<void> {
  const server = createServer((socket) => socket.on('error', () => {}).once('data', (bytes) => socket.write(bytes)))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  for (let count = 0; count < 20; count++) await ask((server.address() as AddressInfo).port)
  server.close()
}
