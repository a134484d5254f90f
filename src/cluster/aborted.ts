/*
 * What of an answer to Fetch is not for who reads committed records: control batches, and data of transactions that were aborted. Kafka tells
 * producer and first offset of those; each ends with its marker.
 */
import { getBigInt64 } from '../base/bytes.ts'
import { CONTROL_BIT, PRODUCER_ID_AT, TRANSACTIONAL_BIT } from '../format/batch.ts'
import { type BatchPlace } from '../log/batch-place.ts'

/** An aborted transaction that touches an answer. */
export interface AbortedRange {
  readonly producerId: bigint
  readonly firstOffset: number
}

/** Decides about the batches of one answer, in their order. */
export class AbortedFilter {
  readonly #ahead: AbortedRange[]
  readonly #open = new Set<bigint>()

  constructor(aborted: readonly AbortedRange[]) {
    this.#ahead = [...aborted].sort((a, b) => a.firstOffset - b.firstOffset)
  }

  /** Whether records of a batch are handed out. */
  wants(batch: BatchPlace): boolean {
    if (batch.plain) return true
    while (this.#ahead.length > 0 && this.#ahead[0]!.firstOffset <= batch.lastOffset) this.#open.add(this.#ahead.shift()!.producerId)
    const producerId = getBigInt64(batch.buffer, batch.at + PRODUCER_ID_AT)
    if ((batch.attributes & CONTROL_BIT) !== 0) {
      // Whatever the marker says, the transaction ends here; only that of an aborted one is in the set.
      this.#open.delete(producerId)
      return false
    }
    return (batch.attributes & TRANSACTIONAL_BIT) === 0 || !this.#open.has(producerId)
  }
}
