/*
 * A port that is listened on. `localhost` is both loopback addresses, since clients try one or the other first.
 */
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { LogError } from '../base/errors.ts'

const LOOPBACKS = ['127.0.0.1', '::1']
/** A port that is free on one loopback address may be taken on the other: so many are tried. */
const ATTEMPTS = 20

/** Servers on one port. */
export class Endpoint {
  readonly port: number
  readonly #servers: readonly Server[]

  private constructor(port: number, servers: readonly Server[]) {
    this.port = port
    this.#servers = servers
  }

  /**
   * Listens.
   *
   * @param port  0 for one that is free
   * @throws LogError `LOG_PORT_IN_USE`, `LOG_ACCESS_DENIED`, `LOG_IO`
   */
  static async open(host: string, port: number, accept: (socket: Socket) => void): Promise<Endpoint> {
    for (let attempt = 1; ; attempt++) {
      const [first, ...others] = host === 'localhost' ? LOOPBACKS : [host]
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
    return this.#servers.map((server) => (server.address() as AddressInfo | null)?.address ?? '')
  }

  /** Takes no more connections; those that there are go on. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map(closed))
  }
}

function bound(host: string, port: number, accept: (socket: Socket) => void): Promise<Server> {
  // Who sends no more may still wait for answers.
  const server = createServer({ noDelay: true, allowHalfOpen: true }, accept)
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(bindError(host, port, error)))
    server.listen({ host, port, backlog: 511 }, () => resolve(server))
  })
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

function closed(server: Server): Promise<void> {
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
