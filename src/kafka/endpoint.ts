/*
 * A port that is listened on. `localhost` is both loopback addresses, since clients try one or the other first.
 */
import * as net from 'node:net'
import { LogError } from '../base/errors.ts'

/** Addresses with their families: what need not be looked up. */
const LOOPBACKS = { '127.0.0.1': 4, '::1': 6 } as const
const BACKLOG = 511
/** A port that is free on one loopback address may be taken on the other: so many are tried. */
const ATTEMPTS = 20

/** Servers on one port. */
export class Endpoint {
  readonly port: number
  readonly #servers: readonly net.Server[]

  private constructor(port: number, servers: readonly net.Server[]) {
    this.port = port
    this.#servers = servers
  }

  /**
   * Listens.
   *
   * @param port  0 for one that is free
   * @throws LogError `LOG_PORT_IN_USE`, `LOG_ACCESS_DENIED`, `LOG_IO`
   */
  static async open(host: string, port: number, accept: (socket: net.Socket) => void): Promise<Endpoint> {
    for (let attempt = 1; ; attempt++) {
      const [first, ...others] = host === 'localhost' ? Object.keys(LOOPBACKS) : [host]
      const main = await bound(first!, port, accept)
      const chosen = portOf(main)
      const servers = [main]
      try {
        for (const other of others) servers.push(await bound(other, chosen, accept))
        return new Endpoint(chosen, servers)
      } catch (error) {
        // A machine without IPv6 has one loopback address.
        if (isUnavailable(error)) return new Endpoint(chosen, servers)
        await Promise.all(servers.map(closed))
        if (port !== 0 || attempt === ATTEMPTS) throw error
      }
    }
  }

  /** The addresses that are bound. */
  get addresses(): readonly string[] {
    return this.#servers.map((server) => (server.address() as net.AddressInfo | null)?.address ?? '')
  }

  /** Takes no more connections; those that there are go on. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map(closed))
  }
}

function bound(host: string, port: number, accept: (socket: net.Socket) => void): Promise<net.Server> {
  // Who sends no more may still wait for answers.
  const server = net.createServer({ noDelay: true, allowHalfOpen: true }, accept)
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(host, port, error)))
    const socket = isLoopbackAddress(host) ? boundSocket(host, port) : undefined
    if (typeof socket === 'number') reject(bindError(host, port, systemError(socket, host, port)))
    else if (socket === undefined) server.listen({ host, port, backlog: BACKLOG }, () => resolve(server))
    else server.listen(socket, BACKLOG, () => resolve(server))
  })
}

type LoopbackAddress = keyof typeof LOOPBACKS
type CreateServerHandle = (address: string, port: number, family: 4 | 6, fd: undefined, flags: number) => object | number

function isLoopbackAddress(host: string): host is LoopbackAddress {
  return Object.hasOwn(LOOPBACKS, host)
}

/**
 * A socket that is bound, or the number of an error; undefined where Node does not offer the call, which its documents do not tell of. Asked for
 * an address, a server sees what it is first, with a regular expression that takes 5 ms to compile: half of what it takes to listen.
 */
function boundSocket(address: LoopbackAddress, port: number): object | number | undefined {
  const { _createServerHandle: create } = net as { _createServerHandle?: CreateServerHandle }
  return create?.(address, port, LOOPBACKS[address], undefined, 0)
}

function systemError(errno: number, address: string, port: number): NodeJS.ErrnoException {
  const code = process.getBuiltinModule('node:util').getSystemErrorName(errno)
  return Object.assign(new Error(`bind ${code} ${address}:${port}`), { errno, code, syscall: 'bind', address, port })
}

function portOf(server: net.Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function closed(server: net.Server): Promise<void> {
  return new Promise((resolve) => void server.close(() => resolve()))
}

function isUnavailable(error: unknown): boolean {
  const { code } = (error as Error).cause as NodeJS.ErrnoException
  return code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT'
}

function bindError(host: string, port: number, cause: NodeJS.ErrnoException): LogError {
  if (cause.code === 'EADDRINUSE') return new LogError('LOG_PORT_IN_USE', `port ${port} of ${host} is in use`, { host, port }, cause)
  const code = cause.code === 'EACCES' ? 'LOG_ACCESS_DENIED' : 'LOG_IO'
  return new LogError(code, `cannot listen on port ${port} of ${host}: ${cause.message}`, { host, port }, cause)
}
