/*
 * Connections that go out: to the brokers of a cluster that somebody stands in front of.
 */
import { connect, type Socket } from 'node:net'
import { LogError } from '../base/errors.ts'

/** An address as clients write it, `host:port`, with brackets around IPv6. Throws TypeError for what is none. */
export function parseAddress(address: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(address.trim()) ?? []
  const host = bracketed ?? plain
  if (host === undefined || Number(port) > 0xffff) throw new TypeError(`an address is host:port, not ${JSON.stringify(address)}`)
  return { host, port: Number(port) }
}

/**
 * Connects.
 *
 * @throws LogError `LOG_IO` with the error of the system as its cause
 */
export function connectTo(host: string, port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port, noDelay: true, allowHalfOpen: true })
    const failed = (cause: Error): void => {
      reject(new LogError('LOG_IO', `cannot connect to ${host}:${port}: ${cause.message}`, { host, port }, cause, true))
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      socket.off('error', failed)
      resolve(socket)
    })
  })
}
