import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { lendsReads, readingReused } from '../../src/kafka/reused-reads.ts'

const ends: { readonly server: Server; readonly sockets: Socket[] }[] = []

afterEach(async () => {
  for (const { server, sockets } of ends.splice(0)) {
    for (const socket of sockets) socket.destroy()
    if (server.listening) await new Promise((resolve) => server.close(resolve))
  }
})

test('what came is there until the listener has returned, whoever is read from next', async () => {
  const [first, second] = await Promise.all([pair(), pair()])
  for (let round = 0; round < 20; round++) {
    first.client.write(Buffer.alloc(1000, round))
    second.client.write(Buffer.alloc(1000, 100 + round))
    await Promise.all([first.received(1000 * (round + 1)), second.received(1000 * (round + 1))])
  }
  const all = (base: number): Buffer => Buffer.concat(Array.from({ length: 20 }, (_, round) => Buffer.alloc(1000, base + round)))
  expect(Buffer.concat(first.chunks).equals(all(0))).toBe(true)
  expect(Buffer.concat(second.chunks).equals(all(100))).toBe(true)
})

test('what is given is only lent, and a stream says so', async () => {
  const { socket, server } = await pair()
  expect(lendsReads(socket)).toBe(true)
  expect(lendsReads(server)).toBe(false)
  const memories: ArrayBufferLike[] = []
  for (const one of [await pair(), await pair()]) {
    one.socket.on('data', (chunk: Buffer) => void memories.push(chunk.buffer))
    one.client.write('a')
    await one.received(1)
  }
  expect(memories[0]).toBe(memories[1])
})

test('more than one read takes comes whole and in order', async () => {
  const { client, chunks, received } = await pair()
  const sent = Buffer.from(Array.from({ length: 1_000_003 }, (_, index) => index % 251))
  client.write(sent)
  await received(sent.length)
  expect(Buffer.concat(chunks).equals(sent)).toBe(true)
})

test('a socket that is paused takes nothing until it goes on', async () => {
  const { client, socket, chunks, received } = await pair()
  client.write('a')
  await received(1)
  socket.pause()
  client.write('b')
  client.write('c')
  // Asked and answered by way of another connection: what was sent before it has arrived.
  const other = await pair()
  other.client.write('d')
  await other.received(1)
  expect(Buffer.concat(chunks).toString()).toBe('a')
  socket.resume()
  await received(3)
  expect(Buffer.concat(chunks).toString()).toBe('abc')
})

test('who sends no more is told so, and still gets answers', async () => {
  const { client, socket, received } = await pair()
  client.end('question')
  await Promise.all([once(socket, 'end'), received(8)])
  socket.end('answer')
  const [answer] = await once(client, 'data') as [Buffer]
  expect(answer.toString()).toBe('answer')
})

test('its server closes once it is gone, and not before', async () => {
  const { socket, server } = await pair()
  const connections = (): Promise<number> => new Promise((resolve) => server.getConnections((_, count) => resolve(count)))
  expect(await connections()).toBe(1)
  const closed = new Promise((resolve) => server.close(resolve))
  socket.destroy()
  await closed
  expect(await connections()).toBe(0)
})

test('the addresses are those of the connection', async () => {
  const { client, socket } = await pair()
  expect({ address: socket.remoteAddress, port: socket.remotePort }).toEqual({ address: client.localAddress, port: client.localPort })
})

test('a socket without what Node has behind it is given back', () => {
  const socket = new Socket()
  expect(readingReused(socket)).toBe(socket)
  expect(lendsReads(socket)).toBe(false)
  socket.destroy()
})

/** A connection, and what came over it. */
async function pair() {
  const server = createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true })
  const [accepted] = await once(server, 'connection') as [Socket]
  const socket = readingReused(accepted)
  ends.push({ server, sockets: [client, socket] })
  expect(socket).not.toBe(accepted)
  const chunks: Buffer[] = []
  let count = 0
  socket.on('data', (chunk: Buffer) => {
    chunks.push(Buffer.from(chunk))
    count += chunk.length
  })
  const received = async (bytes: number): Promise<void> => {
    while (count < bytes) await once(socket, 'data')
  }
  return { server, client, socket, chunks, received }
}
