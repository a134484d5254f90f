/*
 * RecordBatch v2: what a segment is made of, what the wire carries, and what is checked as one. Header constants, reader, writer,
 * checks, and whole batches to and from records. Not here: one record (record.ts), what control records mean (control.ts), and the
 * append path, which builds its batches in place (log/batch-builder.ts). Spec: docs/format.md#batch; Kafka's DefaultRecordBatch.
 *
 *    0          8        12       16      17     21       23         27          35
 *    +----------+--------+--------+-------+------+--------+----------+-----------+-----------+--
 *    | base     | length | leader | magic | crc  | attri- | last     | base      | max       |
 *    | offset   |        | epoch  |   2   |      | butes  | off. dlt | timestamp | timestamp |
 *    +----------+--------+--------+-------+------+--------+----------+-----------+-----------+--
 *      43            51         53         57        61
 *    --+-------------+----------+----------+---------+---------------------
 *      | producer id | producer | base     | record  | records, possibly
 *      |             | epoch    | sequence | count   | compressed as one
 *    --+-------------+----------+----------+---------+---------------------
 *
 * Big-endian. `length` counts what lies behind it. The CRC covers attributes to end, so that the log can give a batch its offset and
 * leader epoch without touching the CRC.
 */
import { getBigInt64, getInt16, getInt32, getInt64, getUint32, setBigInt64, setInt16, setInt32, setInt64 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { LogError } from '../base/errors.ts'
import { DEFAULT_MAX_DECOMPRESSED_BYTES, compress, compressionNames, decompress, type CompressionName } from './compression.ts'
import { type Memory } from './memory.ts'
import { NULL_SIZE, RecordLayout, SMALLEST_RECORD, headersSize, putRecord, recordBodySize, recordSize } from './record.ts'
import { type HeaderInput, type RecordHeader } from './record.ts'

export const BASE_OFFSET_AT = 0
export const LENGTH_AT = 8
export const LEADER_EPOCH_AT = 12
export const MAGIC_AT = 16
export const CRC_AT = 17
export const ATTRIBUTES_AT = 21
export const LAST_OFFSET_DELTA_AT = 23
export const BASE_TIMESTAMP_AT = 27
export const MAX_TIMESTAMP_AT = 35
export const PRODUCER_ID_AT = 43
export const PRODUCER_EPOCH_AT = 51
export const BASE_SEQUENCE_AT = 53
export const RECORD_COUNT_AT = 57
/** Where records begin: the size of the header. */
export const RECORDS_AT = 61

/** The length field counts the bytes from here on. */
export const LENGTH_COVERS_FROM = 12
/** The CRC covers the bytes from here on. */
export const CRC_COVERS_FROM = ATTRIBUTES_AT
/** The length field of a batch without records: no batch has a smaller one. */
export const SMALLEST_LENGTH = RECORDS_AT - LENGTH_COVERS_FROM
/** The only record format that is read or written. */
export const MAGIC = 2

export const COMPRESSION_MASK = 0x07
export const LOG_APPEND_TIME_BIT = 0x08
export const TRANSACTIONAL_BIT = 0x10
export const CONTROL_BIT = 0x20
export const DELETE_HORIZON_BIT = 0x40

/** Stands for "none" in timestamps, leader epochs, producer epochs and sequences. */
export const NONE = -1
/** Stands for "no producer id". */
export const NO_PRODUCER_ID = -1n

const INT32_MAX = 0x7fff_ffff

/** Whether timestamps are the producers' or the moment of the append. */
export type TimestampType = 'CreateTime' | 'LogAppendTime'

/** A batch's header, taken apart. */
export interface BatchHeader {
  readonly baseOffset: number
  /** Bytes of the whole batch, header included. */
  readonly size: number
  readonly leaderEpoch: number
  readonly magic: number
  /** What the header says; {@link batchDamage} says whether it is right. */
  readonly crc: number
  /** The bits that the five fields below were read from. */
  readonly attributes: number
  readonly compression: CompressionName
  readonly timestampType: TimestampType
  readonly transactional: boolean
  readonly control: boolean
  /** Whether `baseTimestamp` is the time at which tombstones and markers may be dropped, and not the first record's timestamp. */
  readonly deleteHorizon: boolean
  readonly lastOffsetDelta: number
  /** Inclusive. */
  readonly lastOffset: number
  readonly baseTimestamp: number
  readonly maxTimestamp: number
  /** {@link NO_PRODUCER_ID} when the producer is neither idempotent nor transactional. */
  readonly producerId: bigint
  readonly producerEpoch: number
  /** Means something only when there is a producer id. */
  readonly baseSequence: number
  /** Less than `lastOffsetDelta + 1` after compaction, down to 0. */
  readonly recordCount: number
}

/** What {@link writeBatchHeader} writes; magic and CRC are its own. */
export type BatchHeaderFields = Pick<
  BatchHeader,
  | 'baseOffset'
  | 'size'
  | 'leaderEpoch'
  | 'attributes'
  | 'lastOffsetDelta'
  | 'baseTimestamp'
  | 'maxTimestamp'
  | 'producerId'
  | 'producerEpoch'
  | 'baseSequence'
  | 'recordCount'
>

/** What is wrong with a batch, in a word. */
export type BatchDamage =
  | 'short-header' // fewer bytes than a header
  | 'short-batch' // the length passes the end of the bytes
  | 'bad-length' // the length is less than a header's
  | 'bad-magic'
  | 'bad-crc'
  | 'bad-compression' // a codec number without a codec
  | 'bad-offset' // offsets below 0, past 2^53 − 1, or a negative delta
  | 'bad-timestamp' // beyond 2^53
  | 'bad-count' // a negative count, or more records than could be there

/** One record as {@link encodeBatch} takes it. */
export interface BatchRecord {
  /** Default: the one after the record before; the batch's base offset for the first. */
  readonly offset?: number
  /** Milliseconds since 1970, 0 or more, or -1 for none. Default -1. */
  readonly timestamp?: number
  readonly key?: Uint8Array | null
  readonly value?: Uint8Array | null
  readonly headers?: readonly HeaderInput[]
}

/** How {@link encodeBatch} makes a batch. */
export interface EncodeBatchOptions {
  /** Default: the first record's offset, else 0. */
  readonly baseOffset?: number
  /** Default: the last record's offset. A batch that lost records to compaction keeps the one it had. */
  readonly lastOffset?: number
  /** Default -1. */
  readonly leaderEpoch?: number
  /** Default: none. */
  readonly producerId?: bigint
  readonly producerEpoch?: number
  readonly baseSequence?: number
  readonly transactional?: boolean
  readonly control?: boolean
  /** Default `none`; control batches and empty ones are never compressed. */
  readonly compression?: CompressionName
  /** As the codec counts levels; its default when absent. */
  readonly compressionLevel?: number
  /** Default `CreateTime`. */
  readonly timestampType?: TimestampType
  /** Default: the largest timestamp of the records, -1 without any. With `LogAppendTime` it is the time of the append. */
  readonly maxTimestamp?: number
  /** When tombstones and markers of this batch may be dropped, in ms since 1970. Default: none. */
  readonly deleteHorizonMs?: number
}

/** One record as {@link decodeBatch} gives it. Key, value and header values are views of the batch or of its decompressed bytes. */
export interface DecodedRecord {
  readonly offset: number
  /** Milliseconds since 1970, -1 for none. */
  readonly timestamp: number
  /** Always 0 so far. */
  readonly attributes: number
  readonly key: Buffer | null
  readonly value: Buffer | null
  readonly headers: readonly RecordHeader[]
}

/** How {@link decodeBatch} reads. */
export interface DecodeBatchOptions {
  /** Default true; false when the CRC was checked before. */
  readonly checkCrc?: boolean
  /** Above this, `LOG_DECOMPRESSED_TOO_LARGE`. Default {@link DEFAULT_MAX_DECOMPRESSED_BYTES}. */
  readonly maxDecompressedBytes?: number
  /** Where records are decompressed to; default new memory. */
  readonly memory?: Memory
}

/**
 * Reads the header of the batch that begins at `at`. Only the header's own bytes must be there, and its CRC is not checked.
 *
 * @param end  where the bytes that may be read end
 * @throws LogError `LOG_BATCH_CORRUPT` when there are fewer than 61 bytes or a field cannot be right; `detail.reason` is a {@link BatchDamage}
 */
export function readBatchHeader(buffer: Uint8Array, at: number, end: number): BatchHeader {
  const damage = headerDamage(buffer, at, end)
  if (damage !== undefined) throw corrupt(damage, at)
  const attributes = getInt16(buffer, at + ATTRIBUTES_AT)
  const baseOffset = getInt64(buffer, at + BASE_OFFSET_AT)
  const lastOffsetDelta = getInt32(buffer, at + LAST_OFFSET_DELTA_AT)
  return {
    baseOffset,
    size: batchSize(buffer, at),
    leaderEpoch: getInt32(buffer, at + LEADER_EPOCH_AT),
    magic: buffer[at + MAGIC_AT]!,
    crc: getUint32(buffer, at + CRC_AT),
    attributes,
    compression: compressionNames[attributes & COMPRESSION_MASK]!,
    timestampType: attributes & LOG_APPEND_TIME_BIT ? 'LogAppendTime' : 'CreateTime',
    transactional: (attributes & TRANSACTIONAL_BIT) !== 0,
    control: (attributes & CONTROL_BIT) !== 0,
    deleteHorizon: (attributes & DELETE_HORIZON_BIT) !== 0,
    lastOffsetDelta,
    lastOffset: baseOffset + lastOffsetDelta,
    baseTimestamp: getInt64(buffer, at + BASE_TIMESTAMP_AT),
    maxTimestamp: getInt64(buffer, at + MAX_TIMESTAMP_AT),
    producerId: getBigInt64(buffer, at + PRODUCER_ID_AT),
    producerEpoch: getInt16(buffer, at + PRODUCER_EPOCH_AT),
    baseSequence: getInt32(buffer, at + BASE_SEQUENCE_AT),
    recordCount: getInt32(buffer, at + RECORD_COUNT_AT),
  }
}

/**
 * What is wrong with the batch that begins at `at`, or undefined when it is whole, its CRC right and every field of its header possible.
 *
 * A wrong length may send this anywhere up to `end`, so its cost is that of a CRC over what is left. Records are not looked into.
 */
export function batchDamage(buffer: Uint8Array, at: number, end: number): BatchDamage | undefined {
  if (end - at < LENGTH_COVERS_FROM) return 'short-header'
  if (getInt32(buffer, at + LENGTH_AT) < SMALLEST_LENGTH) return 'bad-length'
  if (end - at < RECORDS_AT) return 'short-header'
  if (buffer[at + MAGIC_AT] !== MAGIC) return 'bad-magic'
  const size = batchSize(buffer, at)
  if (size > end - at) return 'short-batch'
  if (crc32c(buffer, at + CRC_COVERS_FROM, at + size) !== getUint32(buffer, at + CRC_AT)) return 'bad-crc'
  return headerDamage(buffer, at, end)
}

/** Bytes of the whole batch, as its length field says. */
export function batchSize(buffer: Uint8Array, at: number): number {
  return LENGTH_COVERS_FROM + getInt32(buffer, at + LENGTH_AT)
}

/** Packs what the attributes of a batch say into their bits. */
export function batchAttributes(says: {
  readonly compression?: CompressionName
  readonly timestampType?: TimestampType
  readonly transactional?: boolean
  readonly control?: boolean
  readonly deleteHorizon?: boolean
}): number {
  return (
    compressionNames.indexOf(says.compression ?? 'none') |
    (says.timestampType === 'LogAppendTime' ? LOG_APPEND_TIME_BIT : 0) |
    (says.transactional ? TRANSACTIONAL_BIT : 0) |
    (says.control ? CONTROL_BIT : 0) |
    (says.deleteHorizon ? DELETE_HORIZON_BIT : 0)
  )
}

/** Writes the 61 bytes of a header at `at`. The records must be in place behind it: the CRC is taken over them, up to `fields.size`. */
export function writeBatchHeader(buffer: Uint8Array, at: number, fields: BatchHeaderFields): void {
  setInt64(buffer, at + BASE_OFFSET_AT, fields.baseOffset)
  setInt32(buffer, at + LENGTH_AT, fields.size - LENGTH_COVERS_FROM)
  setInt32(buffer, at + LEADER_EPOCH_AT, fields.leaderEpoch)
  buffer[at + MAGIC_AT] = MAGIC
  setInt16(buffer, at + ATTRIBUTES_AT, fields.attributes)
  setInt32(buffer, at + LAST_OFFSET_DELTA_AT, fields.lastOffsetDelta)
  setInt64(buffer, at + BASE_TIMESTAMP_AT, fields.baseTimestamp)
  setInt64(buffer, at + MAX_TIMESTAMP_AT, fields.maxTimestamp)
  setBigInt64(buffer, at + PRODUCER_ID_AT, fields.producerId)
  setInt16(buffer, at + PRODUCER_EPOCH_AT, fields.producerEpoch)
  setInt32(buffer, at + BASE_SEQUENCE_AT, fields.baseSequence)
  setInt32(buffer, at + RECORD_COUNT_AT, fields.recordCount)
  sealCrc(buffer, at, fields.size)
}

/** Takes the CRC of the batch of `size` bytes at `at` again, after something that it covers has changed. */
export function sealCrc(buffer: Uint8Array, at: number, size: number): void {
  setInt32(buffer, at + CRC_AT, crc32c(buffer, at + CRC_COVERS_FROM, at + size))
}

/** Gives a batch its place in the log: the two fields that the CRC does not cover. */
export function assignOffsets(buffer: Uint8Array, at: number, baseOffset: number, leaderEpoch: number): void {
  setInt64(buffer, at + BASE_OFFSET_AT, baseOffset)
  setInt32(buffer, at + LEADER_EPOCH_AT, leaderEpoch)
}

/** Makes a batch carry the time of its append: the records' own timestamps stay in it, unseen. Takes the CRC again. */
export function assignAppendTime(buffer: Uint8Array, at: number, nowMs: number): void {
  setInt16(buffer, at + ATTRIBUTES_AT, getInt16(buffer, at + ATTRIBUTES_AT) | LOG_APPEND_TIME_BIT)
  setInt64(buffer, at + MAX_TIMESTAMP_AT, nowMs)
  sealCrc(buffer, at, batchSize(buffer, at))
}

/** Makes a batch carry its records' own times, of which `maxTimestamp` is the largest. Takes the CRC again. */
export function assignCreateTime(buffer: Uint8Array, at: number, maxTimestamp: number): void {
  setInt16(buffer, at + ATTRIBUTES_AT, getInt16(buffer, at + ATTRIBUTES_AT) & ~LOG_APPEND_TIME_BIT)
  setInt64(buffer, at + MAX_TIMESTAMP_AT, maxTimestamp)
  sealCrc(buffer, at, batchSize(buffer, at))
}

/**
 * A whole batch of these records: for markers, tests and rewriting.
 *
 * Offsets may have gaps but must increase. Without records it is the empty batch that compaction leaves: `baseOffset` and `lastOffset`
 * say what it covers.
 *
 * @throws RangeError or TypeError when no batch can hold this: the caller's mistake
 */
export function encodeBatch(records: readonly BatchRecord[], options: EncodeBatchOptions = {}): Buffer {
  checkProducer(options)
  const baseOffset = options.baseOffset ?? records[0]?.offset ?? 0
  const offsets = assignedOffsets(records, baseOffset)
  const lastOffset = options.lastOffset ?? offsets.at(-1) ?? baseOffset
  checkSpan(baseOffset, lastOffset, offsets)
  const timestamps = records.map((record) => checkedTimestamp(record.timestamp ?? NONE))
  const baseTimestamp = options.deleteHorizonMs ?? timestamps[0] ?? NONE
  const plain = encodeRecords(records, offsets, timestamps, baseOffset, baseTimestamp)
  const compression = records.length === 0 || options.control ? 'none' : (options.compression ?? 'none')
  const batch = withRoomForHeader(compression === 'none' ? plain : compress(compression, plain, options.compressionLevel))
  writeBatchHeader(batch, 0, {
    baseOffset,
    size: batch.length,
    leaderEpoch: options.leaderEpoch ?? NONE,
    attributes: batchAttributes({ ...options, compression, deleteHorizon: options.deleteHorizonMs !== undefined }),
    lastOffsetDelta: lastOffset - baseOffset,
    baseTimestamp,
    maxTimestamp: options.maxTimestamp ?? timestamps.reduce((max, timestamp) => Math.max(max, timestamp), NONE),
    producerId: options.producerId ?? NO_PRODUCER_ID,
    producerEpoch: options.producerEpoch ?? NONE,
    baseSequence: options.baseSequence ?? NONE,
    recordCount: records.length,
  })
  return batch
}

/**
 * The header and the records of the batch that begins at `at`, every length checked before it is believed.
 *
 * Offsets must increase and lie within the header's span. Records are views: they hold on to `buffer`.
 *
 * @throws LogError `LOG_BATCH_CORRUPT`; for compressed batches also `LOG_CODEC_MISSING`, `LOG_COMPRESSED_CORRUPT`, `LOG_DECOMPRESSED_TOO_LARGE`
 */
export function decodeBatch(
  buffer: Uint8Array,
  at: number,
  end: number,
  options: DecodeBatchOptions = {},
): { header: BatchHeader; records: DecodedRecord[] } {
  const header = readBatchHeader(buffer, at, end)
  if (header.size > end - at) throw corrupt('short-batch', at)
  if (options.checkCrc !== false) {
    const damage = batchDamage(buffer, at, end)
    if (damage !== undefined) throw corrupt(damage, at)
  }
  const bytes = batchRecordBytes(buffer, at, header, options)
  const records: DecodedRecord[] = []
  forEachRecord(bytes, header, (layout) => {
    const timestamp = recordTimestamp(header, layout.timestampDelta)
    const { attributes } = layout
    const offset = header.baseOffset + layout.offsetDelta
    records.push({ offset, timestamp, attributes, key: layout.key(bytes), value: layout.value(bytes), headers: layout.headers(bytes) })
  })
  return { header, records }
}

/**
 * The records of a whole batch as plain bytes: a view when it is not compressed.
 *
 * @throws LogError `LOG_CODEC_MISSING`, `LOG_COMPRESSED_CORRUPT`, `LOG_DECOMPRESSED_TOO_LARGE`
 */
export function batchRecordBytes(buffer: Uint8Array, at: number, header: BatchHeader, options: DecodeBatchOptions = {}): Buffer {
  const stored = Buffer.from(buffer.buffer, buffer.byteOffset + at + RECORDS_AT, header.size - RECORDS_AT)
  if (header.compression === 'none') return stored
  return decompress(header.compression, stored, options.maxDecompressedBytes ?? DEFAULT_MAX_DECOMPRESSED_BYTES, options.memory)
}

/**
 * Walks over the records of a batch and checks all of it: their count, that offsets increase within the header's span, that timestamps
 * are possible, and that nothing is left over.
 *
 * @param bytes    what {@link batchRecordBytes} gave
 * @param visitor  called with one and the same layout for each record: take out what is needed
 * @throws LogError `LOG_BATCH_CORRUPT`
 */
export function forEachRecord(bytes: Uint8Array, header: BatchHeader, visitor: (layout: RecordLayout) => void): void {
  if (header.recordCount > bytes.length / SMALLEST_RECORD) throw corrupt('bad-count', 0)
  const layout = new RecordLayout()
  let at = 0
  let lastDelta = -1
  for (let left = header.recordCount; left > 0; left--) {
    at = layout.read(bytes, at, bytes.length)
    if (layout.offsetDelta <= lastDelta || layout.offsetDelta > header.lastOffsetDelta) throw corrupt('bad-offset', layout.start)
    if (!Number.isSafeInteger(header.baseTimestamp + layout.timestampDelta)) throw corrupt('bad-timestamp', layout.start)
    lastDelta = layout.offsetDelta
    visitor(layout)
  }
  if (at !== bytes.length) throw corrupt('bad-count', at)
}

/** The timestamp of a record by its delta: the batch's own when it carries the time of its append. */
export function recordTimestamp(header: BatchHeader, timestampDelta: number): number {
  return header.timestampType === 'LogAppendTime' ? header.maxTimestamp : header.baseTimestamp + timestampDelta
}

function headerDamage(buffer: Uint8Array, at: number, end: number): BatchDamage | undefined {
  if (end - at < RECORDS_AT) return 'short-header'
  if (getInt32(buffer, at + LENGTH_AT) < SMALLEST_LENGTH) return 'bad-length'
  if (buffer[at + MAGIC_AT] !== MAGIC) return 'bad-magic'
  if ((getInt16(buffer, at + ATTRIBUTES_AT) & COMPRESSION_MASK) >= compressionNames.length) return 'bad-compression'
  const baseOffset = getInt64(buffer, at + BASE_OFFSET_AT)
  const lastOffsetDelta = getInt32(buffer, at + LAST_OFFSET_DELTA_AT)
  if (baseOffset < 0 || lastOffsetDelta < 0 || !Number.isSafeInteger(baseOffset + lastOffsetDelta)) return 'bad-offset'
  if (!Number.isSafeInteger(getInt64(buffer, at + BASE_TIMESTAMP_AT))) return 'bad-timestamp'
  if (!Number.isSafeInteger(getInt64(buffer, at + MAX_TIMESTAMP_AT))) return 'bad-timestamp'
  const recordCount = getInt32(buffer, at + RECORD_COUNT_AT)
  return recordCount < 0 || recordCount > lastOffsetDelta + 1 ? 'bad-count' : undefined
}

function corrupt(reason: BatchDamage, position: number): LogError {
  return new LogError('LOG_BATCH_CORRUPT', `not a whole, undamaged batch: ${reason}, at byte ${position}`, { reason, position })
}

function assignedOffsets(records: readonly BatchRecord[], baseOffset: number): number[] {
  let next = baseOffset
  return records.map((record) => {
    const offset = record.offset ?? next
    if (offset < next) throw new RangeError(`offsets in a batch must increase: ${offset} where ${next} or more is due`)
    next = offset + 1
    return offset
  })
}

function checkSpan(baseOffset: number, lastOffset: number, offsets: readonly number[]): void {
  const safe = Number.isSafeInteger(baseOffset) && Number.isSafeInteger(lastOffset) && offsets.every((offset) => Number.isSafeInteger(offset))
  if (!safe || baseOffset < 0) throw new RangeError(`offsets ${baseOffset}..${lastOffset} are not all integers from 0 to 2^53 - 1`)
  const least = offsets.at(-1) ?? baseOffset
  if (lastOffset < least) throw new RangeError(`the last offset of a batch, ${lastOffset}, is below that of its last record, ${least}`)
  if (lastOffset - baseOffset > INT32_MAX) throw new RangeError(`a batch cannot span offsets ${baseOffset}..${lastOffset}: more than 2^31`)
}

function checkProducer({ producerId, producerEpoch = NONE, baseSequence = NONE, transactional, control }: EncodeBatchOptions): void {
  const idempotent = producerId !== undefined && producerId >= 0n
  if (transactional && !idempotent) throw new TypeError('a transactional batch needs a producer id')
  if (idempotent && producerEpoch < 0) throw new TypeError('a batch with a producer id needs a producer epoch')
  if (idempotent && !control && baseSequence < 0) throw new TypeError('a batch with a producer id needs a base sequence')
}

function checkedTimestamp(timestamp: number): number {
  // One less than the largest safe integer, so that its distance from -1 is one too.
  if (Number.isSafeInteger(timestamp + 1) && timestamp >= NONE) return timestamp
  throw new RangeError(`${timestamp} is not a timestamp: an integer of milliseconds since 1970, or -1 for none`)
}

/** The records one after the other, sizes first: two passes, one allocation. */
function encodeRecords(
  records: readonly BatchRecord[],
  offsets: readonly number[],
  timestamps: readonly number[],
  baseOffset: number,
  baseTimestamp: number,
): Buffer {
  const bodySizes = records.map((record, index) => {
    const keySize = record.key?.length ?? NULL_SIZE
    const valueSize = record.value?.length ?? NULL_SIZE
    return recordBodySize(timestamps[index]! - baseTimestamp, offsets[index]! - baseOffset, keySize, valueSize, headersSize(record.headers ?? []))
  })
  const total = bodySizes.reduce((sum, bodySize) => sum + recordSize(bodySize), 0)
  if (total > INT32_MAX - RECORDS_AT) throw new RangeError(`a batch of ${total} bytes: more than 2^31`)
  const bytes = Buffer.allocUnsafe(total)
  let at = 0
  records.forEach(({ key = null, value = null, headers = [] }, index) => {
    at = putRecord(bytes, at, bodySizes[index]!, timestamps[index]! - baseTimestamp, offsets[index]! - baseOffset, key, value, headers)
  })
  return bytes
}

function withRoomForHeader(records: Buffer): Buffer {
  const batch = Buffer.allocUnsafe(RECORDS_AT + records.length)
  batch.set(records, RECORDS_AT)
  return batch
}
