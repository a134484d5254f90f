/*
 * Walks a `.log` file in whatever state it is: every byte of it is part of a whole batch, of damage, or of room that was never written.
 * Nothing is changed, and unlike recovery the walk goes on behind damage. What a piece means, and what is to be done about it, is for
 * verify.ts and repair.ts to say. Spec: docs/format.md#batch.
 */
import { getInt32 } from '../base/bytes.ts'
import { isLogError } from '../base/errors.ts'
import { type FileHandle } from '../files/file-system.ts'
import { readFullySync } from '../files/write-fully.ts'
import {
  ATTRIBUTES_AT, batchDamage, type BatchHeader, batchRecordBytes, decodeBatch, type DecodedRecord, forEachRecord, LENGTH_AT, LENGTH_COVERS_FROM,
  MAGIC, MAGIC_AT, RECORDS_AT, SMALLEST_LENGTH,
} from '../format/batch.ts'
import { type EndTransactionMarker, readEndTransactionMarker } from '../format/control.ts'
import { MAX_RELATIVE_OFFSET } from './index-entries.ts'
import { lastNonZero } from './recovery.ts'
import { scanBatches } from './scan.ts'

/** Batches are looked at so many bytes at a time, so that a caller can do something else in between. */
const STRETCH_BYTES = 4 * 1024 * 1024
const SEARCH_WINDOW = 1024 * 1024
/** Bytes of checksums that a search for the next batch computes at most, whatever the damaged bytes pretend to be. */
const SEARCH_BUDGET = 256 * 1024 * 1024

/** A whole batch: its checksum is right. */
export interface FoundBatch {
  readonly position: number
  readonly header: BatchHeader
  /** What is wrong with its records although the checksum is right; undefined when nothing is, or when they cannot be decompressed here. */
  readonly problem: string | undefined
  /** Set when the batch is the marker that ends a transaction. */
  readonly marker: EndTransactionMarker | undefined
}

/** A piece of a `.log` file. They follow each other without a gap. */
export type Piece =
  | { readonly kind: 'batch'; readonly batch: FoundBatch }
  /** A whole batch whose offsets do not fit between its neighbours'; `belongsAt`: the base offset that fits exactly. */
  | { readonly kind: 'misplaced'; readonly batch: FoundBatch; readonly due: number; readonly belongsAt: number | undefined }
  | { readonly kind: 'damage'; readonly position: number; readonly size: number; readonly reason: string }
  /** Zeros up to the end. */
  | { readonly kind: 'zeros'; readonly position: number; readonly size: number }

/** What is known of a segment from elsewhere. */
export interface WalkOptions {
  readonly baseOffset: number
  /** Where to begin: on a batch boundary. Default 0. */
  readonly from?: number
  /** Where the file ends for this walk. */
  readonly to: number
  /** Offsets at and past it are not of this segment: where the next one begins, or where the log is known to end. Default Infinity. */
  readonly endOffset?: number
}

/** The pieces of a `.log` file in their order. */
export function* walkSegment(file: FileHandle, options: WalkOptions): Generator<Piece, void> {
  const { to } = options
  // A segment spans no more offsets than its indexes can tell.
  const endOffset = Math.min(options.endOffset ?? Infinity, options.baseOffset + MAX_RELATIVE_OFFSET + 1)
  const order = new OffsetOrder(options.baseOffset, endOffset)
  for (let position = options.from ?? 0; position < to; ) {
    const stretch = position + STRETCH_BYTES
    const batches: FoundBatch[] = []
    const end = scanBatches(file, { from: position, to, checkCrc: true, minOffset: 0 }, (header, at, buffer, bufferAt) => {
      batches.push(lookInto(header, at, buffer, bufferAt))
      return at + header.size < stretch
    })
    for (const batch of batches) yield* order.add(batch)
    position = end.position
    // The next scan begins with the batch that is out of order, and takes it: here the order is judged by its neighbours.
    if (end.reason === 'end' || end.reason === 'offset-order') continue
    yield* order.finish()
    const size = end.reason === 'zeros' ? to - position : findBatch(file, position, to) - position
    yield end.reason === 'zeros' ? { kind: 'zeros', position, size } : { kind: 'damage', position, size, reason: end.reason }
    position += size
  }
  yield* order.finish()
}

/** The records of a batch that was found. Views of memory that nobody else uses. */
export function readRecords(file: FileHandle, { position, header }: FoundBatch): DecodedRecord[] {
  const bytes = Buffer.allocUnsafe(header.size)
  readFullySync(file, bytes, 0, bytes.length, position)
  return decodeBatch(bytes, 0, bytes.length, { checkCrc: false }).records
}

/**
 * Decides which batches are in their place. Base offsets are not covered by the checksum: when the offsets of two neighbours contradict
 * each other, the batch that comes after them tells which of the two is wrong. So a batch is judged when the next two are known.
 */
class OffsetOrder {
  readonly #endOffset: number
  readonly #waiting: FoundBatch[] = []
  /** One past the last offset of the batches that are in their place. */
  #due: number

  constructor(startOffset: number, endOffset: number) {
    this.#due = startOffset
    this.#endOffset = endOffset
  }

  * add(batch: FoundBatch): Generator<Piece, void> {
    this.#waiting.push(batch)
    if (this.#waiting.length > 2) yield this.#judge()
  }

  /** Judges all that wait: nothing is known of what comes behind them. */
  * finish(): Generator<Piece, void> {
    while (this.#waiting.length > 0) yield this.#judge()
  }

  #judge(): Piece {
    const [batch, next, afterNext] = this.#waiting as [FoundBatch, FoundBatch | undefined, FoundBatch | undefined]
    this.#waiting.shift()
    const due = this.#due
    const { baseOffset, lastOffset, lastOffsetDelta } = batch.header
    if (this.#fits(batch) && !this.#contradicts(batch, next, afterNext)) {
      this.#due = lastOffset + 1
      return { kind: 'batch', batch }
    }
    const end = due + lastOffsetDelta + 1
    const limit = next !== undefined && this.#fits(next) ? next.header.baseOffset : this.#endOffset
    const belongsAt = end === limit && baseOffset !== due ? due : undefined
    if (belongsAt !== undefined) this.#due = end
    return { kind: 'misplaced', batch, due, belongsAt }
  }

  #fits({ header }: FoundBatch): boolean {
    return header.baseOffset >= this.#due && header.lastOffset < this.#endOffset
  }

  /** Whether the batch is to blame for not going together with the next one, which would fit without it. */
  #contradicts({ header }: FoundBatch, next: FoundBatch | undefined, afterNext: FoundBatch | undefined): boolean {
    if (next === undefined || !this.#fits(next) || next.header.baseOffset > header.lastOffset || header.baseOffset === this.#due) return false
    if (this.#due + header.lastOffsetDelta + 1 === next.header.baseOffset) return true       // the place that it left is as large as it is
    if (afterNext === undefined) return false
    return afterNext.header.baseOffset > next.header.lastOffset && afterNext.header.baseOffset <= header.lastOffset
  }
}

/** Reads every record of a batch, as a reader would. */
function lookInto(header: BatchHeader, position: number, buffer: Buffer, at: number): FoundBatch {
  let key: Buffer | null = null
  let value: Buffer | null = null
  try {
    const bytes = batchRecordBytes(buffer, at, header)
    forEachRecord(bytes, header, (record) => {
      if (!header.control) return
      key = record.key(bytes)
      value = record.value(bytes)
    })
    const marker = header.control && header.recordCount > 0 ? readEndTransactionMarker(key, value) : undefined
    return { position, header, problem: undefined, marker }
  } catch (error) {
    // Without its codec a batch cannot be looked into: that says nothing about the batch.
    if (isLogError(error, 'LOG_CODEC_MISSING')) return { position, header, problem: undefined, marker: undefined }
    if (isLogError(error)) return { position, header, problem: error.message, marker: undefined }
    throw error
  }
}

/**
 * Where the damage that begins at `position` ends: at the next whole batch, or else behind the last byte that is not zero.
 *
 * A damaged batch may hold whole ones, as values of its records, so the place where it claims to end is tried first.
 */
function findBatch(file: FileHandle, position: number, to: number): number {
  const claimed = claimedEnd(file, position, to)
  const end = lastNonZero(file, position, to)
  if (claimed !== undefined && (claimed === to || claimed >= end || isBatch(file, claimed, to, { left: SEARCH_BUDGET }))) return claimed
  const window = Buffer.allocUnsafe(Math.min(SEARCH_WINDOW, end - position))
  const budget = { left: SEARCH_BUDGET }
  for (let from = position + 1; from + RECORDS_AT <= end && budget.left > 0; ) {
    const filled = readFullySync(file, window, 0, Math.min(window.length, end - from), from)
    if (filled < RECORDS_AT) break
    for (let at = 0; at + RECORDS_AT <= filled; at++) {
      if (window[at + MAGIC_AT] !== MAGIC || window[at] !== 0 || window[at + ATTRIBUTES_AT] !== 0) continue
      if (isBatch(file, from + at, end, budget)) return from + at
    }
    from += filled - RECORDS_AT + 1
  }
  return end
}

/** Where the batch at `position` ends by its own length field, when that can be. */
function claimedEnd(file: FileHandle, position: number, to: number): number | undefined {
  const header = Buffer.alloc(LENGTH_AT + 4)
  if (readFullySync(file, header, 0, header.length, position) < header.length) return undefined
  const length = getInt32(header, LENGTH_AT)
  const end = position + LENGTH_COVERS_FROM + length
  return length >= SMALLEST_LENGTH && end <= to ? end : undefined
}

function isBatch(file: FileHandle, position: number, to: number, budget: { left: number }): boolean {
  const end = claimedEnd(file, position, to)
  if (end === undefined || end - position > budget.left) return false
  const bytes = Buffer.allocUnsafe(end - position)
  budget.left -= bytes.length
  return readFullySync(file, bytes, 0, bytes.length, position) === bytes.length && batchDamage(bytes, 0, bytes.length) === undefined
}
