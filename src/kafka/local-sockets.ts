/*
 * The sockets of this process that lead to brokers of this process: whether bytes between the two are on their way. What one end has written and
 * the other has not read yet arrives within a turn or two of the event loop, and nobody has to wait for the system to find out.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'

/** Node tells of every socket that connects. */
const CHANNEL = 'net.client.socket'

/** Sees the sockets that this process connects. */
export class LocalSockets {
  readonly #sockets = new Set<Socket>()
  readonly #see = (message: unknown): void => {
    const { socket } = message as { readonly socket: Socket }
    this.#sockets.add(socket)
    socket.once('close', () => void this.#sockets.delete(socket))
  }

  constructor() {
    subscribe(CHANNEL, this.#see)
  }

  /** Looks no more. */
  close(): void {
    unsubscribe(CHANNEL, this.#see)
    this.#sockets.clear()
  }

  /**
   * Whether everything that was sent has arrived, at brokers and at their clients.
   *
   * @param ports    of the brokers
   * @param streams  their ends of connections
   * @returns false as well when the other end of one of them is not here, so that nobody can know
   */
  haveArrived(ports: ReadonlySet<number | undefined>, streams: Iterable<unknown>): boolean {
    const clients = new Map<number | undefined, Socket>()
    for (const socket of this.#sockets) {
      if (socket.connecting) return false
      if (ports.has(socket.remotePort)) clients.set(socket.localPort, socket)
    }
    for (const stream of streams) {
      if (!(stream instanceof Socket)) return false
      const client = clients.get(stream.remotePort)
      if (client?.bytesWritten !== stream.bytesRead || stream.bytesWritten !== client.bytesRead) return false
      clients.delete(stream.remotePort)
    }
    // One that is left is connected, and its broker has not seen it yet.
    return clients.size === 0
  }
}
