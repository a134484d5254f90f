/*
 * Who sent, as it is written down for somebody who comes later. In a file of its own: what the ledger of a mirror holds is typed without a client.
 */

/** A producer by name: what a successor must know of it. */
export interface ProducerName {
  readonly transactionalId: string
  /** A bigint as text. */
  readonly producerId: string
  readonly epoch: number
}
