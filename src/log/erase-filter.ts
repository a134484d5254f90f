/*
 * What erasing leaves of each batch: the records that stay, with their offsets, and nothing of those that go. Unlike compaction it does not ask
 * for keys but for each record, and it changes nothing else: control batches stay as they are.
 */
import { type BatchHeader } from '../format/batch.ts'
import { type BatchFilter, emptiedBatch, filterBatch } from '../format/batch-filter.ts'
import { type RecordLayout } from '../format/record.ts'
import { type BatchesFilter, type CleanedBatch } from './cleaner-filter.ts'

/** Whether a record goes: it lies in `bytes`, at the places of `layout`, which is used again for the next. */
export type Erased = (offset: number, layout: RecordLayout, bytes: Buffer) => boolean

/** What erasing did, of the segments that were rewritten. */
export interface EraseReport {
  readonly bytesBefore: number
  readonly bytesAfter: number
  /** Records that are gone. */
  readonly records: number
  readonly segments: number
}

/** Decides about the batches of a segment. */
export class EraseFilter implements BatchFilter, BatchesFilter {
  readonly deleteHorizonMs = undefined
  readonly endsEmptyTransaction = false
  recordsRead = 0
  recordsKept = 0
  /** Base offset of the last batch that was looked at. */
  lastBatch = -1
  readonly #goes: Erased
  readonly #keptBatch: number
  #baseOffset = 0

  /** @param keptBatch  base offset of a batch that stays even without records: the last one of a segment, which says where it ends */
  constructor(goes: Erased, keptBatch: number) {
    this.#goes = goes
    this.#keptBatch = keptBatch
  }

  /** How many of the records that it has seen go. */
  get erased(): number {
    return this.recordsRead - this.recordsKept
  }

  /** Looks at a batch without making another of it. */
  look(header: BatchHeader, buffer: Buffer, at: number): void {
    this.lastBatch = header.baseOffset
    this.clean(header, buffer, at)
  }

  clean(header: BatchHeader, buffer: Buffer, at: number): CleanedBatch {
    this.recordsRead += header.recordCount
    if (header.control || header.recordCount === 0) {
      this.recordsKept += header.recordCount
      return 'same'
    }
    this.#baseOffset = header.baseOffset
    const { kept, bytes } = filterBatch(buffer, at, header, this)
    this.recordsKept += kept
    if (kept > 0) return bytes ?? 'same'
    return header.baseOffset === this.#keptBatch || header.producerId >= 0n ? emptiedBatch(header) : 'gone'
  }

  keep(layout: RecordLayout, bytes: Buffer): boolean {
    return !this.#goes(this.#baseOffset + layout.offsetDelta, layout, bytes)
  }
}
