/*
 * Addresses of peers in the one form in which they are compared.
 */

/**
 * An address without the slash that Kafka shows before it, IPv4 as such, IPv6 shortened: `/::ffff:10.0.0.1` is `10.0.0.1`,
 * `0:0:0:0:0:0:0:1` is `::1`.
 */
export function plainAddress(host: string): string {
  const known = plain.get(host)
  if (known !== undefined) return known
  const address = normal(host.startsWith('/') ? host.slice(1) : host)
  if (plain.size >= MAX_KNOWN) plain.clear()
  plain.set(host, address)
  return address
}

/** Peers ask often, and from few addresses. */
const plain = new Map<string, string>()
const MAX_KNOWN = 1024

function normal(address: string): string {
  const bare = address.replace(/^::ffff:(?=\d+\.)/i, '')
  if (!bare.includes(':')) return bare
  try {
    return new URL(`http://[${bare}]`).hostname.slice(1, -1)
  } catch {
    return bare
  }
}
