/*
 * Connections without sockets: two ends in memory, and what one writes the other reads in the next turn of its own. For clients that take a function
 * which makes their sockets, as kafkajs does; the order of everything is that of the event loop, and nothing else.
 */
import { type Socket } from 'node:net'

// Not by an import statement, as in base/node-util.ts.
const { Duplex } = process.getBuiltinModule('node:stream')

/** What kafkajs asks a socket factory for. */
export interface SocketRequest {
  readonly host: string
  readonly port: number
  readonly ssl?: unknown
  readonly onConnect?: () => void
}

/** What clients take for a socket. */
export type ClientSocket = Socket

/** One end of a connection in memory, with what clients call on sockets. */
export class MemorySocket extends Duplex {
  /** As of sockets. */
  readonly remoteAddress = '127.0.0.1'
  connecting = false
  #other: MemorySocket | undefined
  #wrote: () => void
  #waiting: (() => void) | undefined

  private constructor(wrote: () => void) {
    super({ allowHalfOpen: true })
    this.#wrote = wrote
  }

  /** Two ends that are connected. `wrote` is called with every write of either. */
  static pair(wrote: () => void): readonly [MemorySocket, MemorySocket] {
    const [one, other] = [new MemorySocket(wrote), new MemorySocket(wrote)]
    one.#other = other
    other.#other = one
    return [one, other]
  }

  /** As the type that clients ask for: this is as much of a socket as they use. */
  asSocket(): ClientSocket {
    return this as unknown as Socket
  }

  override _read(): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#wrote()
    const other = this.#other
    if (other === undefined || other.destroyed) return done(broken())
    // Whoever wrote may use its memory again.
    if (other.push(Buffer.from(chunk))) done()
    else other.#waiting = done
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#wrote()
    if (this.#other?.destroyed === false) this.#other.push(null)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#wrote()
    const other = this.#other
    this.#other = undefined
    this.#waiting?.()
    // The other end sees an end, and nothing behind it.
    if (other !== undefined && !other.destroyed) {
      other.push(null)
      queueMicrotask(() => void other.destroy())
    }
    done(error)
  }

  /** Ends the connection as a process that died. */
  resetAndDestroy(): this {
    this.#other?.destroy(broken())
    return this.destroy()
  }

  /** As of sockets; there is nothing to be kept alive. */
  setKeepAlive(): this {
    return this
  }

  /** As of sockets; nothing is held back. */
  setNoDelay(): this {
    return this
  }

  /** As of sockets; ends in memory are never idle for too long. */
  setTimeout(): this {
    return this
  }

  /** As of sockets. */
  ref(): this {
    return this
  }

  /** As of sockets. */
  unref(): this {
    return this
  }
}

function broken(): Error {
  return Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET', errno: -104, syscall: 'read' })
}

/** What a client gets that asks for a port that nobody listens on. */
export function refusedConnection(host: string, port: number): Error {
  const message = `connect ECONNREFUSED ${host}:${port}`
  return Object.assign(new Error(message), { code: 'ECONNREFUSED', errno: -111, syscall: 'connect', address: host, port })
}
