/*
 * What compaction leaves of a batch: the same bytes when nothing goes, else a batch of the records that stay, or an empty one. Offsets,
 * producer, sequence, leader epoch and compression never change, so nobody who reads it can tell but by what is missing. No I/O, and no
 * opinion about which records stay: log/cleaner-filter.ts has that. Rules and bytes as in Kafka's MemoryRecords.filterTo, docs/format.md#compaction.
 */
import { putVarint, putVarlong, varintSize, varlongSize } from '../base/bytes.ts'
import {
  batchAttributes, batchRecordBytes, type BatchHeader, forEachRecord, NONE, RECORDS_AT, recordTimestamp, writeBatchHeader,
} from './batch.ts'
import { compress } from './compression.ts'
import { type RecordLayout } from './record.ts'

/** How a batch is filtered. */
export interface BatchFilter {
  /** Whether a record stays; `bytes` hold it at the places of `layout`, which is used again for the next. */
  keep(layout: RecordLayout, bytes: Buffer): boolean
  /** The time from which on tombstones and markers may go, for a batch that says none yet: ms since 1970, undefined for never. */
  readonly deleteHorizonMs: number | undefined
  /** Nothing is left of the transaction that this batch marks the end of. */
  readonly endsEmptyTransaction: boolean
}

/** What is left of a batch. */
export interface FilteredBatch {
  /** How many records stay. */
  readonly kept: number
  /** The batch to be written in its place; undefined when it stays as it is, and when no record stays. */
  readonly bytes: Buffer | undefined
}

interface KeptRecord {
  /** Where its offset delta begins: from there to its end nothing changes. */
  readonly at: number
  readonly end: number
  readonly timestamp: number
}

/**
 * Filters the batch at `at`, which is whole and checked.
 *
 * @throws LogError `LOG_BATCH_CORRUPT`; for compressed batches also `LOG_CODEC_MISSING`, `LOG_COMPRESSED_CORRUPT`, `LOG_DECOMPRESSED_TOO_LARGE`
 */
export function filterBatch(buffer: Uint8Array, at: number, header: BatchHeader, filter: BatchFilter): FilteredBatch {
  const bytes = batchRecordBytes(buffer, at, header)
  const kept: KeptRecord[] = []
  let tombstones = false
  forEachRecord(bytes, header, (layout) => {
    if (!filter.keep(layout, bytes)) return
    if (layout.valueSize < 0) tombstones = true
    kept.push({ at: behindTimestamp(bytes, layout.start), end: layout.end, timestamp: recordTimestamp(header, layout.timestampDelta) })
  })
  if (kept.length === 0) return { kept: 0, bytes: undefined }
  const asks = !header.deleteHorizon && filter.deleteHorizonMs !== undefined && (tombstones || filter.endsEmptyTransaction)
  if (kept.length === header.recordCount && !asks) return { kept: kept.length, bytes: undefined }
  const known = header.deleteHorizon ? header.baseTimestamp : undefined
  return { kept: kept.length, bytes: rebuilt(bytes, header, kept, asks ? filter.deleteHorizonMs : known) }
}

/** A batch without records that keeps the place of `header`'s: its offsets, and what it says of its producer. 61 bytes. */
export function emptiedBatch(header: BatchHeader): Buffer {
  const batch = Buffer.allocUnsafe(RECORDS_AT)
  const { timestampType, transactional, control } = header
  const attributes = batchAttributes({ timestampType, transactional, control })
  writeBatchHeader(batch, 0, { ...header, size: RECORDS_AT, attributes, baseTimestamp: NONE, recordCount: 0 })
  return batch
}

function rebuilt(bytes: Buffer, header: BatchHeader, kept: readonly KeptRecord[], deleteHorizonMs: number | undefined): Buffer {
  const { compression, timestampType, transactional, control } = header
  const baseTimestamp = deleteHorizonMs ?? kept[0]!.timestamp
  const plain = compression === 'none'
  const records = recordsAgain(bytes, kept, baseTimestamp, plain ? RECORDS_AT : 0)
  const batch = plain ? records : withRoomForHeader(compress(compression, records))
  writeBatchHeader(batch, 0, {
    ...header,
    size: batch.length,
    attributes: batchAttributes({ compression, timestampType, transactional, control, deleteHorizon: deleteHorizonMs !== undefined }),
    baseTimestamp,
    maxTimestamp: timestampType === 'LogAppendTime' ? header.maxTimestamp : kept.reduce((max, { timestamp }) => Math.max(max, timestamp), NONE),
    recordCount: kept.length,
  })
  return batch
}

/** The records with their timestamps told from `baseTimestamp`, behind `room` bytes. */
function recordsAgain(bytes: Buffer, kept: readonly KeptRecord[], baseTimestamp: number, room: number): Buffer {
  const sizes = kept.map(({ at, end, timestamp }) => 1 + varlongSize(timestamp - baseTimestamp) + end - at)
  const records = Buffer.allocUnsafe(sizes.reduce((sum, size) => sum + varintSize(size) + size, room))
  let to = room
  kept.forEach(({ at, end, timestamp }, index) => {
    to = putVarint(records, to, sizes[index]!)
    records[to++] = 0
    to = putVarlong(records, to, timestamp - baseTimestamp)
    to += bytes.copy(records, to, at, end)
  })
  return records
}

/** Behind size, attributes and timestamp delta of a record that was read already. */
function behindTimestamp(bytes: Uint8Array, at: number): number {
  while (bytes[at++]! >= 0x80);
  at++
  while (bytes[at++]! >= 0x80);
  return at
}

function withRoomForHeader(records: Buffer): Buffer {
  const batch = Buffer.allocUnsafe(RECORDS_AT + records.length)
  batch.set(records, RECORDS_AT)
  return batch
}
