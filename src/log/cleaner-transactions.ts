/*
 * Which batches of a log belong to transactions that were aborted, and which markers have nothing left to mark: told batch by batch in the
 * order of the log, once for each walk over it. Rules as in Kafka's CleanedTransactionMetadata, docs/format.md#compaction.
 */
import { type BatchHeader } from '../format/batch.ts'
import { type EndTransactionMarker } from '../format/control.ts'
import { type AbortedTransaction } from '../format/txn-index-entry.ts'

/** What a walk over the log meets of transactions. */
export class CleanedTransactions {
  /** By first offset; those before `#next` have begun. */
  readonly #aborted: readonly AbortedTransaction[]
  #next = 0
  /** Aborted transactions that have begun and not ended, by producer. `seen`: some batch of them is still there. */
  readonly #ongoing = new Map<bigint, { readonly transaction: AbortedTransaction; seen: boolean }>()
  /** Producers with batches of transactions that were not aborted, since their last marker. */
  readonly #committed = new Set<bigint>()

  /** @param aborted  every transaction that was aborted in what is walked over, each at least once */
  constructor(aborted: Iterable<AbortedTransaction>) {
    const byEnd = new Map<number, AbortedTransaction>()
    for (const transaction of aborted) byEnd.set(transaction.lastOffset, transaction)
    this.#aborted = [...byEnd.values()].sort((one, other) => one.firstOffset - other.firstOffset)
  }

  /** The next batch of records. True when it belongs to an aborted transaction. */
  data(header: BatchHeader): boolean {
    this.#beginUpTo(header.lastOffset)
    if (!header.transactional) return false
    const aborted = this.#ongoing.get(header.producerId)
    if (aborted !== undefined) {
      aborted.seen = true
      return true
    }
    this.#committed.add(header.producerId)
    return false
  }

  /**
   * The next control batch. `empty`: nothing is left of what it marks the end of. Of the end of an aborted transaction of which something is
   * left, `aborted` is what the transaction index must go on to say.
   *
   * @param kind  what it marks; `'none'`: compaction has emptied it before; undefined: something that has nothing to do with transactions
   */
  control(header: BatchHeader, kind: EndTransactionMarker['type'] | 'none' | undefined): { empty: boolean; aborted?: AbortedTransaction } {
    this.#beginUpTo(header.lastOffset)
    if (kind === 'none') return { empty: true }
    if (kind === 'COMMIT') return { empty: !this.#committed.delete(header.producerId) }
    if (kind !== 'ABORT') return { empty: false }
    const ended = this.#ongoing.get(header.producerId)
    this.#ongoing.delete(header.producerId)
    return ended?.seen === true ? { empty: false, aborted: ended.transaction } : { empty: true }
  }

  #beginUpTo(offset: number): void {
    for (; this.#next < this.#aborted.length && this.#aborted[this.#next]!.firstOffset <= offset; this.#next++) {
      const transaction = this.#aborted[this.#next]!
      // Those of one producer never overlap: one that was begun has ended before, even if its marker is gone.
      const before = this.#ongoing.get(transaction.producerId)
      if (before === undefined || before.transaction.lastOffset < transaction.firstOffset) {
        this.#ongoing.set(transaction.producerId, { transaction, seen: false })
      }
    }
  }
}
