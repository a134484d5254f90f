/*
 * Addresses of brokers in answers, and others in their place.
 */
import { type Decoding } from '../journal/entry.ts'
import { mapMessage } from './wire-message.ts'

/** Where somebody listens. */
export interface LiveAddress {
  readonly host: string
  readonly port: number
}

/** A row of an answer that says where a broker is. */
export interface BrokerAddress extends LiveAddress {
  /** Where the row says it. */
  readonly nodeId: number | undefined
}

/** All addresses of brokers in an answer. */
export function addressesIn(value: unknown): BrokerAddress[] {
  if (Array.isArray(value)) return value.flatMap(addressesIn)
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return []
  const own = addressOf(value)
  return [...(own === undefined ? [] : [own]), ...Object.values(value).flatMap(addressesIn)]
}

/** The answer with other addresses; undefined for one leaves it as it is. */
export function withAddresses(body: Decoding, live: (address: BrokerAddress) => LiveAddress | undefined): Decoding {
  return mapMessage(body, (value) => {
    const address = addressOf(value)
    const other = address === undefined ? undefined : live(address)
    return other === undefined ? value : { ...value as object, ...other }
  }) as Decoding
}

function addressOf(value: unknown): BrokerAddress | undefined {
  if (typeof value !== 'object' || value === null) return undefined
  const { host, port, nodeId, brokerId } = value as Partial<Record<'host' | 'port' | 'nodeId' | 'brokerId', unknown>>
  if (typeof host !== 'string' || host === '' || typeof port !== 'number' || port <= 0) return undefined
  const id = nodeId ?? brokerId
  return { host, port, nodeId: typeof id === 'number' ? id : undefined }
}
