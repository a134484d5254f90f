/*
 * Stands before the connections of a listener that speaks TLS: takes sockets, and lets those in whose handshake came to an end, with the
 * principal of their certificate. A client that speaks plainly, or whose certificate nobody trusts, is sent away with one event.
 */
import type { Socket } from 'node:net'
import type { Server, TLSSocket } from 'node:tls'
import { type Clock, type Timer } from '../../base/clock.ts'
import { type Principal } from '../peer.ts'
import { subjectOf } from './distinguished-name.ts'
import { type ResolvedTls } from './tls-options.ts'

/** What a gate is told. */
export interface TlsGateParts {
  readonly tls: ResolvedTls
  readonly clock: Clock
  /** Ms that a handshake may take. */
  readonly timeoutMs: number
  /** A client is in; its principal is undefined when it showed no certificate. */
  readonly entered: (socket: TLSSocket, address: string, principal: Principal | undefined) => void
  readonly refused: (address: string, reason: string) => void
}

/** A handshake that goes on. */
interface Handshake {
  readonly socket: Socket
  readonly address: string
  readonly timer: Timer
}

const FOREVER_MS = 0x7fff_ffff

/** The gate of one listener. */
export class TlsGate {
  readonly #parts: TlsGateParts
  readonly #server: Server
  /** By the two ends of the connection, which the TLS socket has too. */
  readonly #handshakes = new Map<string, Handshake>()
  /** Those whose connection closed in this turn, in order: why is told right behind it, by a TLS socket that has no ends any more. */
  readonly #closed: string[] = []

  constructor(parts: TlsGateParts) {
    const { tls: { context, clientAuth } } = parts
    this.#parts = parts
    this.#server = process.getBuiltinModule('node:tls').createServer({
      ...context, requestCert: clientAuth !== 'none', rejectUnauthorized: clientAuth === 'required', handshakeTimeout: FOREVER_MS,
    })
    this.#server.on('secureConnection', (socket) => this.#shaken(socket))
    this.#server.on('tlsClientError', (error, socket) => {
      const ends = socket.remotePort === undefined ? this.#closed.shift() : endsOf(socket)
      if (ends !== undefined) this.#refuse(ends, reasonOf(error, socket))
      socket.destroy()
    })
  }

  /** Handshakes that go on. */
  get waiting(): number {
    return this.#handshakes.size
  }

  /** Takes a socket. */
  take(socket: Socket, address: string): void {
    const ends = endsOf(socket)
    const { clock, timeoutMs } = this.#parts
    // TLS has no such half: who ends the handshake is gone.
    socket.allowHalfOpen = false
    const timer = clock.setTimer(() => this.#refuse(ends, 'its TLS handshake took too long'), timeoutMs, { ref: false })
    this.#handshakes.set(ends, { socket, address, timer })
    socket.once('close', () => this.#gone(ends))
    this.#server.emit('connection', socket)
  }

  /** Ends the handshakes that go on. */
  close(): void {
    for (const { socket, timer } of this.#handshakes.values()) {
      timer.cancel()
      socket.destroy()
    }
    this.#handshakes.clear()
  }

  #shaken(socket: TLSSocket): void {
    const handshake = this.#done(endsOf(socket))
    if (handshake === undefined) return void socket.destroy()
    const { tls, entered, refused } = this.#parts
    const certificate = tls.clientAuth === 'none' ? undefined : socket.getPeerX509Certificate()
    if (certificate === undefined) return entered(socket, handshake.address, undefined)
    if (!socket.authorized) {
      socket.destroy()
      return refused(handshake.address, `its certificate is not trusted: ${String(socket.authorizationError)}`)
    }
    let name
    try {
      name = tls.principal(subjectOf(certificate.raw))
    } catch (error) {
      // What is thrown here, by a function of the user too, nobody would catch.
      socket.destroy()
      return refused(handshake.address, `its certificate names nobody: ${error instanceof Error ? error.message : String(error)}`)
    }
    entered(socket, handshake.address, { type: 'User', name })
  }

  #gone(ends: string): void {
    if (!this.#handshakes.has(ends)) return
    this.#closed.push(ends)
    this.#parts.clock.defer(() => {
      this.#closed.length = 0
      this.#refuse(ends, 'its TLS handshake did not come to an end')
    })
  }

  #refuse(ends: string, reason: string): void {
    const handshake = this.#done(ends)
    if (handshake === undefined) return
    handshake.socket.destroy()
    this.#parts.refused(handshake.address, reason)
  }

  #done(ends: string): Handshake | undefined {
    const handshake = this.#handshakes.get(ends)
    handshake?.timer.cancel()
    this.#handshakes.delete(ends)
    return handshake
  }
}

function endsOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress}|${remotePort}|${localAddress}|${localPort}`
}

function reasonOf(error: Error, { authorizationError }: TLSSocket): string {
  const { code } = error as NodeJS.ErrnoException
  if (authorizationError) return `its certificate is not trusted: ${String(authorizationError)}`
  if (code === 'ECONNRESET') return 'its TLS handshake did not come to an end'
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER' || code === 'ERR_SSL_HTTP_REQUEST') return 'it did not speak TLS on a TLS port'
  return `its TLS handshake failed: ${error.message.replace(/^[0-9A-F]+:error:/, '').trim()}`
}
