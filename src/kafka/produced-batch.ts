/*
 * The one record batch that a Produce request brings for a partition, before any log sees it: whether it is there and whole, and who sent it.
 * What else is wrong with a batch is for the log to say (log/append-checks.ts, log/client-batch.ts).
 */
import { getBigInt64, getInt16, getInt32, getInt64 } from '../base/bytes.ts'
import {
  ATTRIBUTES_AT, BASE_OFFSET_AT, batchSize, COMPRESSION_MASK, LENGTH_AT, LENGTH_COVERS_FROM, MAGIC, MAGIC_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT,
  SMALLEST_LENGTH, TRANSACTIONAL_BIT,
} from '../format/batch.ts'
import { compressionNames } from '../format/compression.ts'
import { type KafkaErrorName } from '../format/kafka-errors.ts'

const ZSTD = compressionNames.indexOf('zstd')
/** Produce knows zstd from this version on. */
const ZSTD_FROM = 7

/** Who sent a batch of a transaction. */
export interface BatchProducer {
  readonly producerId: bigint
  readonly producerEpoch: number
}

/** The batch among the records of a partition; bytes behind it that are no whole batch are cut off. Else what a client is told. */
export function onlyBatch(records: Buffer | null, version: number): Buffer | KafkaErrorName {
  if (records === null || records.length < LENGTH_COVERS_FROM) return 'INVALID_RECORD'
  const size = wholeBatch(records, 0)
  if (typeof size === 'string') return size
  if (records[MAGIC_AT] !== MAGIC) return 'INVALID_RECORD'
  if (version < ZSTD_FROM && (getInt16(records, ATTRIBUTES_AT) & COMPRESSION_MASK) === ZSTD) return 'UNSUPPORTED_COMPRESSION_TYPE'
  if (records.length - size >= LENGTH_COVERS_FROM) {
    const second = wholeBatch(records, size)
    if (second !== 'INVALID_RECORD') return typeof second === 'string' ? second : 'INVALID_RECORD'
  }
  return records.subarray(0, size)
}

/** Bytes of the batch that begins at `at`; INVALID_RECORD when not all of it is there. */
function wholeBatch(records: Buffer, at: number): number | KafkaErrorName {
  if (records.length - at <= MAGIC_AT) return 'INVALID_RECORD'
  const magic = records[at + MAGIC_AT]!
  if (magic > MAGIC) return 'CORRUPT_MESSAGE'
  if (getInt32(records, at + LENGTH_AT) < (magic === MAGIC ? SMALLEST_LENGTH : 0)) return 'CORRUPT_MESSAGE'
  const size = batchSize(records, at)
  return size > records.length - at ? 'INVALID_RECORD' : size
}

/** A client's offsets mean nothing, and Kafka wants to see that it knows. */
export function countsFromZero(batch: Buffer): boolean {
  return getInt64(batch, BASE_OFFSET_AT) === 0
}

/** Whether it says that it is a part of a transaction. */
export function isTransactional(batch: Buffer): boolean {
  return (getInt16(batch, ATTRIBUTES_AT) & TRANSACTIONAL_BIT) !== 0
}

/** Who sent a batch of a transaction; undefined for one that is of none, or says no producer. */
export function transactionProducer(batch: Buffer): BatchProducer | undefined {
  if (!isTransactional(batch)) return undefined
  const producerId = getBigInt64(batch, PRODUCER_ID_AT)
  return producerId < 0n ? undefined : { producerId, producerEpoch: getInt16(batch, PRODUCER_EPOCH_AT) }
}
