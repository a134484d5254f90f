/*
 * A broker as clients see it: a number and an address. All brokers of a listener serve one log.
 */

/** One broker. */
export interface Broker {
  /** Kafka's node id. */
  readonly nodeId: number
  readonly rack: string | null
  /** Where it can be reached, by the name of the listener. */
  readonly addresses: ReadonlyMap<string, BrokerAddress>
}

/** Where a broker can be reached. */
export interface BrokerAddress {
  readonly host: string
  readonly port: number
}
