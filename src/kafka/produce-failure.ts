/*
 * What a producer is told of a batch that is not stored: Kafka's code, and where Kafka has them its words and the records that are to blame.
 */
import { isLogError } from '../base/errors.ts'
import { type KafkaErrorName, kafkaErrorName } from '../format/kafka-errors.ts'
import { type RefusedRecord } from '../log/client-batch.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { errorCodeOf } from './error-codes.ts'

/** The failure of one partition. */
export interface ProduceFailure {
  readonly error: KafkaErrorName
  readonly logStartOffset?: number
  readonly recordErrors?: readonly RecordError[]
  readonly errorMessage?: string
}

/** What is wrong with one record. */
interface RecordError {
  readonly batchIndex: number
  readonly batchIndexErrorMessage: string
}

/** Errors that Kafka answers without the start of the log. */
const bare: readonly KafkaErrorName[] = [
  'UNKNOWN_TOPIC_OR_PARTITION', 'NOT_LEADER_OR_FOLLOWER', 'MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'CORRUPT_MESSAGE', 'KAFKA_STORAGE_ERROR',
]
/** Records in the text of an error. */
const TOLD = 3

/** What an error of the log is for the producer. */
export function produceFailure(error: unknown, log?: PartitionLog): ProduceFailure {
  if (log !== undefined && isLogError(error, 'LOG_RECORD_INVALID') && Array.isArray(error.detail.refused)) {
    return { logStartOffset: log.startOffset, ...refusedRecords(error.detail.refused, error.detail, log) }
  }
  const name = nameOf(error, log)
  return log === undefined || bare.includes(name) ? { error: name } : { error: name, logStartOffset: log.startOffset }
}

function nameOf(error: unknown, log: PartitionLog | undefined): KafkaErrorName {
  // Two limits, and an error for each.
  const fits = log !== undefined && isLogError(error, 'LOG_BATCH_TOO_LARGE') && (error.detail.size as number) <= log.maxMessageBytes
  if (fits) return 'RECORD_LIST_TOO_LARGE'
  return kafkaErrorName(errorCodeOf(error)) ?? 'UNKNOWN_SERVER_ERROR'
}

/** What the log says of the records that it refuses. */
interface Refusals {
  /** All of them; not all are listed. */
  readonly refusedCount?: unknown
  readonly earliest?: unknown
  readonly latest?: unknown
}

function refusedRecords(refused: readonly RefusedRecord[], bounds: Refusals, log: PartitionLog): Omit<ProduceFailure, 'logStartOffset'> {
  const recordErrors = refused.map((one) => ({ batchIndex: one.index, batchIndexErrorMessage: reasonOf(one, bounds, log) }))
  if (refused.some(({ reason }) => reason !== 'no-key')) {
    return { error: 'INVALID_TIMESTAMP', recordErrors, errorMessage: 'One or more records have been rejected due to invalid timestamp' }
  }
  const told = recordErrors.slice(0, TOLD).map(({ batchIndex, batchIndexErrorMessage }) => {
    return `RecordError(batchIndex=${batchIndex}, message='${batchIndexErrorMessage}')`
  })
  const errorMessage = `One or more records have been rejected due to ${String(bounds.refusedCount)} record errors in total, ` +
    `and only showing the first three errors at most: [${told.join(', ')}]`
  return { error: 'INVALID_RECORD', recordErrors, errorMessage }
}

function reasonOf(refused: RefusedRecord, { earliest, latest }: Refusals, { topic, partition }: PartitionLog): string {
  const { reason, timestamp, offsetDelta } = refused
  switch (reason) {
    case 'no-key':
      return `Compacted topic cannot accept message without key in topic partition ${topic}-${partition}`
    case 'timestamp':
      return `Timestamp ${timestamp} of message with offset ${offsetDelta} is out of range. ` +
        `The timestamp should be within [${bound(earliest)}, ${bound(latest)}]`
    case 'timestamp-type':
      return `Invalid timestamp type in message ${recordText(refused)}. Producer should not set timestamp type to LogAppendTime.`
  }
}

/** A record as Kafka's own text of it. */
function recordText({ timestamp, offsetDelta, keySize, valueSize }: RefusedRecord): string {
  return `DefaultRecord(offset=${offsetDelta}, timestamp=${timestamp}, key=${Math.max(0, keySize)} bytes, value=${Math.max(0, valueSize)} bytes)`
}

/** No bound is told as the end of the numbers. */
function bound(value: unknown): string {
  if (value === -Infinity) return String(-(2n ** 63n))
  return value === Infinity ? String(2n ** 63n - 1n) : String(value)
}

/** What an answer of the transaction coordinator is for a producer: older ones know fewer errors. */
export function unverified(error: KafkaErrorName, version: number): ProduceFailure {
  switch (error) {
    case 'PRODUCER_FENCED':
      return { error: 'INVALID_PRODUCER_EPOCH' }
    case 'TRANSACTION_ABORTABLE':
      return version > 10 ? { error } : { error: 'INVALID_TXN_STATE', errorMessage: 'Partition was not added to the transaction' }
    case 'CONCURRENT_TRANSACTIONS':
      return version >= 12 ? { error } : notVerified(error)
    case 'COORDINATOR_NOT_AVAILABLE':
    case 'COORDINATOR_LOAD_IN_PROGRESS':
    case 'NOT_COORDINATOR':
      return notVerified(error)
    default:
      return { error }
  }
}

/** An error that every producer tries again after, without asking for metadata. */
function notVerified(error: KafkaErrorName): ProduceFailure {
  const errorMessage = `Unable to verify the partition has been added to the transaction. Underlying error: ${error}`
  return { error: 'NOT_ENOUGH_REPLICAS', errorMessage }
}
