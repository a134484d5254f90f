/*
 * Hosts as they are bound and as clients are told: which stand for every address, which for this machine alone, and how they are written.
 */
import { isIP } from 'node:net'

/** What binds every address, and is nobody's. */
const WILDCARDS = ['0.0.0.0', '::', '*']

/** A host as sockets and clients take it: an IPv6 address has no brackets. */
export function plainHost(host: string): string {
  const inner = /^\[(.+)\]$/.exec(host)?.[1]
  return inner !== undefined && isIP(inner) === 6 ? inner : host
}

/** `host:port`, with brackets around an IPv6 address. */
export function addressText(host: string, port: number): string {
  return isIPv6Address(host) ? `[${host}]:${port}` : `${host}:${port}`
}

/** Whether it stands for every address of a machine. */
export function isWildcard(host: string): boolean {
  return WILDCARDS.includes(host) || (/^[0:]+$/.test(host) && isIPv6Address(host)) || (/^[0.]+$/.test(host) && isIP(host) === 4)
}

/** Whether only this machine reaches it. */
export function isLoopback(address: string): boolean {
  return address === 'localhost' || address === '::1' || (isIP(address) === 4 && address.startsWith('127.'))
}

/** The first look of Node at what an IPv6 address is takes milliseconds: what has no colon is none. */
function isIPv6Address(host: string): boolean {
  return host.includes(':') && isIP(host) === 6
}
