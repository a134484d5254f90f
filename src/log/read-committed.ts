/*
 * What a reader is given and what it is not: control batches never, and to a reader of committed records none of aborted transactions.
 *
 * Kafka's consumer gets only producer id and first offset of what was aborted, and finds the end by meeting the marker. Here the marker's
 * offset is known from the transaction index, so batches may be asked about in any order, and compaction may have removed the marker.
 * The answers are the same. How far such a reader may go is the last stable offset: see producer-state.ts.
 */
import { type AbortedTransaction } from '../format/txn-index-entry.ts'

/** What the filter looks at; a batch header has it all. */
export interface FilteredBatch {
  readonly baseOffset: number
  readonly producerId: bigint
  readonly transactional: boolean
  readonly control: boolean
}

/** Decides, batch by batch, about one read of committed records. */
export class CommittedFilter {
  /** The aborted transactions of each producer, in order; those of one producer never overlap. */
  readonly #aborted = new Map<bigint, AbortedTransaction[]>()

  /** @param aborted  every aborted transaction that touches the read: what `collectAborted` gives for it */
  constructor(aborted: Iterable<AbortedTransaction>) {
    for (const transaction of aborted) {
      const before = this.#aborted.get(transaction.producerId)
      if (before === undefined) this.#aborted.set(transaction.producerId, [transaction])
      else before.push(transaction)
    }
  }

  /** Whether the reader gets the records of this batch. */
  decide(batch: FilteredBatch): 'deliver' | 'skip' {
    if (batch.control) return 'skip'
    if (!batch.transactional || this.#aborted.size === 0) return 'deliver'
    const last = lastStarted(this.#aborted.get(batch.producerId), batch.baseOffset)
    return last !== undefined && batch.baseOffset < last.lastOffset ? 'skip' : 'deliver'
  }
}

/** The last of the transactions that begin at or below `offset`. */
function lastStarted(transactions: readonly AbortedTransaction[] | undefined, offset: number): AbortedTransaction | undefined {
  if (transactions === undefined) return undefined
  let low = 0
  let high = transactions.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (transactions[middle]!.firstOffset > offset) high = middle
    else low = middle + 1
  }
  return transactions[low - 1]
}
