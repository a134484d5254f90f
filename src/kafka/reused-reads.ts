/*
 * Sockets that are read into memory that is used again. For each read of a socket Node allocates 64 KiB, and again as much as came. A socket that
 * connects may bring memory of its own (`onread` of `net.Socket`); one that a server accepts may not, so another socket takes over its handle.
 * What came is only there until those who listen have returned: who needs it for longer copies it (frames.ts).
 */
import { Socket } from 'node:net'

/** Of one read: more than the five batches of 16 KiB that a Java producer has under way. */
const READ_BYTES = 128 * 1024

/** For all sockets: what is in it was used before anybody else reads. */
let memory: Buffer | undefined

const lenders = new WeakSet<object>()

/** Whether the bytes that a stream tells of are there only until those who listen have returned. */
export function lendsReads(stream: object): boolean {
  return lenders.has(stream)
}

/** What Node has behind a socket, which its documents do not tell of. */
interface Handled {
  _handle: { readonly useUserBuffer?: unknown } | null
}

/**
 * The same connection, as a socket whose reads cost less; what is given is not to be used any more. Where Node does not offer it, that itself.
 *
 * @param accepted  as a server gives it: nothing was read yet
 */
export function readingReused(accepted: Socket): Socket {
  const inner = accepted as unknown as Handled
  const handle = inner._handle
  if (typeof handle?.useUserBuffer !== 'function') return accepted
  const buffer = (memory ??= Buffer.allocUnsafeSlow(READ_BYTES))
  const callback = (bytes: number): true => {
    socket.emit('data', buffer.subarray(0, bytes))
    return true
  }
  const options: object = { handle, allowHalfOpen: accepted.allowHalfOpen, onread: { buffer, callback } }
  const socket = new Socket(options)
  inner._handle = null
  lenders.add(socket)
  // Its server waits for the one that it knows.
  socket.once('close', () => accepted.destroy())
  return socket
}
