/*
 * The transactions of this process that have records in one partition and no marker yet. What was lost of one is told to who commits it, and to
 * nobody else.
 */
import { type LogError } from '../base/errors.ts'
import { type ProducerBatch } from './producer-rules.ts'
import { type TransactionPart } from './transaction-part.ts'

/** The parts that open transactions have in one partition. */
export class OpenParts {
  /**
   * By producer. A producer keeps its place, with undefined, for its next transaction: where keys come and go, each table of a Map refers to the
   * next, and all that were ever in it stay until a full collection.
   */
  readonly #parts = new Map<bigint, TransactionPart | undefined>()

  /** A transaction has records here. */
  add(part: TransactionPart): void {
    this.#parts.set(part.producerId, part)
  }

  /** A transaction has ended, perhaps one of a client, of which nothing is known here. */
  forget(producerId: bigint): void {
    if (this.#parts.has(producerId)) this.#parts.set(producerId, undefined)
  }

  /** Those with records at or past `offset` have lost some. */
  lose(offset: number, error: LogError): void {
    for (const part of this.#parts.values()) if (part !== undefined && part.lastOffset >= offset) part.lost ??= error
  }
}

/** What the header of the next batch of a transaction says of its producer. */
export class PartHeader implements ProducerBatch {
  readonly producerId: bigint
  readonly producerEpoch: number
  readonly baseSequence: number
  lastOffsetDelta = 0
  maxTimestamp = -1
  readonly transactional = true
  readonly control = false

  constructor({ producerId, producerEpoch, sealed }: TransactionPart) {
    this.producerId = producerId
    this.producerEpoch = producerEpoch
    this.baseSequence = sealed
  }
}
