/*
 * What a cleaning leaves of each batch: the last record of every key, tombstones as long as readers may need them, the markers of
 * transactions of which something is left, and what is known of producers. Rules as in Kafka's LogCleaner (kafka-log-format 6.5).
 */
import { type BatchHeader } from '../format/batch.ts'
import { type BatchFilter, emptiedBatch, filterBatch } from '../format/batch-filter.ts'
import { type ProducerSnapshotEntry } from '../format/producer-snapshot.ts'
import { type RecordLayout } from '../format/record.ts'
import { type AbortedTransaction } from '../format/txn-index-entry.ts'
import { type CleanedTransactions } from './cleaner-transactions.ts'
import { readEndTransaction } from './end-transaction.ts'
import { type KeyMap } from './key-map.ts'

/** What decides about batches. */
export interface CleanerFilterParts {
  readonly map: KeyMap
  readonly transactions: CleanedTransactions
  /** The offset behind the last batch that this cleaning could take: that batch stays, if only its header. */
  readonly upperBound: number
  /** Wall time in ms. */
  readonly now: number
  readonly deleteRetentionMs: number
  /** What is known of the producers now. */
  readonly producers: readonly ProducerSnapshotEntry[]
  /** Called for the end of an aborted transaction that readers must go on to know of. */
  readonly keepAborted: (transaction: AbortedTransaction) => void
}

/** What becomes of a batch: it stays, it goes, or these bytes take its place. */
export type CleanedBatch = 'same' | 'gone' | Buffer

/** Decides about batches, and counts records. */
export interface BatchesFilter {
  readonly recordsRead: number
  readonly recordsKept: number
  /** What becomes of the batch at `at`, which is whole and checked. */
  clean(header: BatchHeader, buffer: Buffer, at: number): CleanedBatch
}

/** Decides about batches, in the order of the log. */
export class CleanerFilter implements BatchFilter, BatchesFilter {
  readonly deleteHorizonMs: number | undefined
  endsEmptyTransaction = false
  recordsRead = 0
  recordsKept = 0
  readonly #parts: CleanerFilterParts
  readonly #producers: Map<bigint, ProducerSnapshotEntry>
  #header!: BatchHeader
  #discards = false
  #tombstonesStay = true

  constructor(parts: CleanerFilterParts) {
    this.#parts = parts
    this.#producers = new Map(parts.producers.map((entry) => [entry.producerId, entry]))
    const horizon = parts.now + parts.deleteRetentionMs
    this.deleteHorizonMs = Number.isSafeInteger(horizon + 1) ? horizon : undefined
  }

  /** What becomes of the batch at `at`, which is whole and checked. */
  clean(header: BatchHeader, buffer: Buffer, at: number): CleanedBatch {
    const empty = this.#isEmpty(header, buffer, at)
    const horizonPassed = header.deleteHorizon && header.baseTimestamp <= this.#parts.now
    this.#header = header
    this.#discards = empty && (!header.control || horizonPassed)
    this.#tombstonesStay = !horizonPassed
    this.endsEmptyTransaction = empty && header.control
    this.recordsRead += header.recordCount
    const keepsHeader = this.#keepsHeader(header)
    if (this.#discards && !keepsHeader) return 'gone'
    if (header.recordCount === 0) return keepsHeader ? 'same' : 'gone'
    if (this.#discards) return emptiedBatch(header)
    const { kept, bytes } = filterBatch(buffer, at, header, this)
    this.recordsKept += kept
    if (kept === 0) return keepsHeader ? emptiedBatch(header) : 'gone'
    return bytes ?? 'same'
  }

  keep(layout: RecordLayout, bytes: Buffer): boolean {
    const header = this.#header
    if (header.control) return true
    const { map } = this.#parts
    const offset = header.baseOffset + layout.offsetDelta
    if (offset > map.latestOffset) return true
    if (layout.keySize < 0) return false
    if (offset < map.get(bytes, layout.keyAt, layout.keyAt + layout.keySize)) return false
    return layout.valueSize >= 0 || this.#tombstonesStay
  }

  /** Whether a batch is of an aborted transaction, or marks the end of one of which nothing is left. */
  #isEmpty(header: BatchHeader, buffer: Buffer, at: number): boolean {
    const { transactions, keepAborted } = this.#parts
    if (!header.control) return transactions.data(header)
    const { empty, aborted } = transactions.control(header, markerKind(header, buffer, at))
    if (aborted !== undefined) keepAborted(aborted)
    return empty
  }

  /** Whether a batch stays even without records: it has the last sequence of a producer, or the last epoch, or the last offset of all. */
  #keepsHeader(header: BatchHeader): boolean {
    if (header.lastOffset + 1 === this.#parts.upperBound) return true
    if (header.producerId < 0n) return false
    const producer = this.#producers.get(header.producerId)
    if (producer === undefined) return false
    return producer.lastOffset >= 0 ? header.lastOffset === producer.lastOffset : header.control && header.producerEpoch === producer.epoch
  }
}

/** What a control batch marks: see {@link CleanedTransactions.control}. */
export function markerKind(header: BatchHeader, buffer: Buffer, at: number): 'ABORT' | 'COMMIT' | 'none' | undefined {
  return header.recordCount === 0 ? 'none' : readEndTransaction(buffer, at, header)?.type
}
