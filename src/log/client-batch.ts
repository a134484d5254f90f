/*
 * What a topic makes of a batch that a client built: every record is looked at once, and the batch is made anew only when the topic wants
 * another compression, or the records do not count from 0. What is wrong with single records is told with their places in the batch. Rules
 * as in Kafka's LogValidator (docs/format.md). The header was checked before (append-checks.ts); its offset it gets later (writer.ts).
 */
import { isLogError, LogError } from '../base/errors.ts'
import {
  batchRecordBytes, type BatchHeader, type BatchRecord, COMPRESSION_MASK, encodeBatch, LOG_APPEND_TIME_BIT, NONE, readBatchHeader, RECORDS_AT,
  recordTimestamp, writeBatchHeader,
} from '../format/batch.ts'
import { compress, compressionNames, type CompressionName } from '../format/compression.ts'
import { memoryUsedAgain } from '../format/memory.ts'
import { RecordLayout, SMALLEST_RECORD } from '../format/record.ts'
import { RecordWalk } from '../format/record-walk.ts'
import { batchTooLarge, type TimestampBounds } from './append-checks.ts'
import { type LogConfig } from './config.ts'

/** What a partition asks of a batch. */
export interface ClientTerms {
  readonly topic: string
  readonly partition: number
  readonly config: LogConfig
  /** Undefined when all timestamps are taken. */
  readonly bounds: TimestampBounds | undefined
}

/** A batch as it may be appended. */
export interface ClientBatch {
  readonly bytes: Uint8Array
  readonly header: BatchHeader
  /** The largest timestamp of its records, −1 for none. */
  readonly maxTimestamp: number
  /** The header says another one, or that the log has stamped the batch: it is to be corrected. */
  readonly retimed: boolean
}

/** Why a topic does not take a record. */
export type RecordRefusal = 'no-key' | 'timestamp' | 'timestamp-type'

/** A batch of a few bytes may have millions of records: no more of them are told one by one. */
const MOST_REFUSED = 1000

/** A record that a topic does not take: `detail.refused` of LOG_RECORD_INVALID, the first 1,000 of `detail.refusedCount`. */
export interface RefusedRecord {
  /** Its place in the batch, from 0. */
  readonly index: number
  readonly reason: RecordRefusal
  readonly timestamp: number
  readonly offsetDelta: number
  /** Bytes; −1 for null. */
  readonly keySize: number
  readonly valueSize: number
}

/**
 * Looks at the records of a batch whose header and checksum are right.
 *
 * @throws LogError `LOG_RECORD_INVALID` with `detail.refused`, or for bytes that are no records; `LOG_DECOMPRESSED_TOO_LARGE`;
 *   `LOG_CODEC_MISSING` when somebody has to look inside and cannot; `LOG_BATCH_TOO_LARGE` when it is so only after it was made anew
 */
export function takeClientBatch(bytes: Uint8Array, header: BatchHeader, terms: ClientTerms): ClientBatch {
  const { compressionType, messageTimestampType, maxMessageBytes } = terms.config
  const compression = compressionType === 'producer' ? header.compression : compressionType === 'uncompressed' ? 'none' : compressionType
  const stampedByLog = messageTimestampType === 'LogAppendTime'
  const plain = plainRecords(bytes, header, compression, terms)
  if (plain === undefined) {
    return { bytes, header, maxTimestamp: header.maxTimestamp, retimed: !stampedByLog && header.timestampType !== 'CreateTime' }
  }
  const { maxTimestamp, dense } = look(plain, header, terms)
  const retimed = !stampedByLog && (header.timestampType === 'LogAppendTime' || maxTimestamp !== header.maxTimestamp)
  if (dense && compression === header.compression) return { bytes, header, maxTimestamp, retimed }
  const rebuilt = dense ? recompressed(plain, header, compression) : recounted(plain, header, compression)
  if (rebuilt.length > maxMessageBytes) throw batchTooLarge(rebuilt.length, maxMessageBytes, terms.topic)
  return { bytes: rebuilt, header: readBatchHeader(rebuilt, 0, rebuilt.length), maxTimestamp, retimed }
}

/** One for all batches: nothing of one is kept when the next one is looked at. */
const memory = memoryUsedAgain()

/** The records, decompressed, until the next batch is; undefined when they cannot be, and nobody has to look at them. */
function plainRecords(bytes: Uint8Array, header: BatchHeader, compression: CompressionName, terms: ClientTerms): Buffer | undefined {
  try {
    return batchRecordBytes(bytes, 0, header, { memory })
  } catch (error) {
    if (isLogError(error, 'LOG_COMPRESSED_CORRUPT')) throw noRecords(terms, error)
    const keyed = terms.config.cleanupPolicy !== 'delete'
    if (isLogError(error, 'LOG_CODEC_MISSING') && !keyed && compression === header.compression) return undefined
    throw error
  }
}

/** One for all: nothing is looked at twice, or at the same time. */
const walk = new RecordWalk()

function look(plain: Buffer, header: BatchHeader, terms: ClientTerms): { readonly maxTimestamp: number; readonly dense: boolean } {
  const { recordCount, baseTimestamp } = header
  const { bounds } = terms
  const keyed = terms.config.cleanupPolicy !== 'delete'
  const stamped = header.timestampType === 'LogAppendTime'
  const logStamps = terms.config.messageTimestampType === 'LogAppendTime'
  const refused: RefusedRecord[] = []
  let refusedCount = 0
  let maxTimestamp = NONE
  let dense = true
  let at = 0
  try {
    if (recordCount > plain.length / SMALLEST_RECORD) throw new LogError('LOG_BATCH_CORRUPT', `${recordCount} records in ${plain.length} bytes`)
    for (let index = 0; index < recordCount; index++) {
      at = walk.read(plain, at)
      const { offsetDelta } = walk
      if (offsetDelta !== index) dense = false
      const timestamp = stamped ? header.maxTimestamp : baseTimestamp + walk.timestampDelta
      if (!Number.isSafeInteger(timestamp)) throw new LogError('LOG_BATCH_CORRUPT', 'a timestamp beyond 2^53')
      if (timestamp > maxTimestamp) maxTimestamp = timestamp
      const reason = keyed && walk.keySize < 0 ? 'no-key' : timeRefusal(timestamp, stamped, logStamps, bounds)
      if (reason === undefined || ++refusedCount > MOST_REFUSED) continue
      refused.push({ index, reason, timestamp, offsetDelta, keySize: walk.keySize, valueSize: walk.valueSize })
    }
    if (at !== plain.length) throw new LogError('LOG_BATCH_CORRUPT', `${plain.length - at} bytes are left behind the last record`)
  } catch (error) {
    throw noRecords(terms, error)
  }
  if (refusedCount > 0) throw recordsRefused(refused, refusedCount, terms)
  return { maxTimestamp, dense }
}

function timeRefusal(timestamp: number, stamped: boolean, logStamps: boolean, bounds: TimestampBounds | undefined): RecordRefusal | undefined {
  if (logStamps || timestamp === NONE) return stamped ? 'timestamp-type' : undefined
  if (bounds === undefined) return undefined
  return timestamp >= bounds.earliest && timestamp <= bounds.latest ? undefined : 'timestamp'
}

/** The same records, compressed otherwise. */
function recompressed(plain: Buffer, header: BatchHeader, compression: CompressionName): Buffer {
  const records = compress(compression, plain)
  const batch = Buffer.allocUnsafe(RECORDS_AT + records.length)
  batch.set(records, RECORDS_AT)
  const attributes = (header.attributes & ~COMPRESSION_MASK) | compressionNames.indexOf(compression)
  writeBatchHeader(batch, 0, { ...header, size: batch.length, attributes })
  return batch
}

/** The same records, counted from 0 in their order. */
function recounted(plain: Buffer, header: BatchHeader, compression: CompressionName): Buffer {
  const layout = new RecordLayout()
  const records: BatchRecord[] = []
  for (let at = 0; at < plain.length; ) {
    at = layout.read(plain, at, plain.length)
    records.push({
      timestamp: recordTimestamp(header, layout.timestampDelta), key: layout.key(plain), value: layout.value(plain), headers: layout.headers(plain),
    })
  }
  const { producerId, producerEpoch, baseSequence, transactional } = header
  const bits = header.attributes & LOG_APPEND_TIME_BIT
  return encodeBatch(records, {
    baseOffset: header.baseOffset, compression, producerId, producerEpoch, baseSequence, transactional,
    timestampType: bits === 0 ? 'CreateTime' : 'LogAppendTime',
  })
}

/** LOG_RECORD_INVALID: some records are not for this topic. */
function recordsRefused(refused: readonly RefusedRecord[], refusedCount: number, { topic, partition, bounds }: ClientTerms): LogError {
  const [first] = refused
  const says = {
    'no-key': `${topic} is compacted: every record needs a key`,
    'timestamp': `timestamp ${first!.timestamp} is too far from the log's clock: ${topic} takes ${bounds?.earliest}..${bounds?.latest}`,
    'timestamp-type': 'only the log says that the log has stamped a record',
  }[first!.reason]
  const message = `record ${first!.index} of the batch is refused: ${says}`
  return new LogError('LOG_RECORD_INVALID', message, {
    topic, partition, refused, refusedCount, ...(bounds !== undefined && { timestamp: first!.timestamp, ...bounds }),
  })
}

/** LOG_RECORD_INVALID: a checksum that is right does not make bytes records. */
function noRecords({ topic, partition }: ClientTerms, cause: unknown): LogError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new LogError('LOG_RECORD_INVALID', `the batch does not hold the records that it says: ${reason}`, { topic, partition }, cause)
}
