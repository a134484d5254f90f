/*
 * What is in `__transaction_state`: one record per transactional id, the newest counts. Not here: which state may follow which, and when
 * it is written (topics/transactions/coordinator.ts). Spec: TransactionLogKey and TransactionLogValue of Kafka's transaction coordinator.
 */
import { coordinatorRecords, type CoordinatorRecord, type CoordinatorRecordInput, type UnknownRecord } from './coordinator-records.ts'
import { array, bigint64, int16, int32, int64, int8, message, string } from './schema.ts'

/** The states of a transaction, each at the index that the record holds (on disk, so forever). */
export const transactionStatuses = [
  'Empty',
  'Ongoing',
  'PrepareCommit',
  'PrepareAbort',
  'CompleteCommit',
  'CompleteAbort',
  'Dead',
  'PrepareEpochFence',
] as const

/** The state of a transaction. */
export type TransactionStatus = (typeof transactionStatuses)[number]

/** The key of a transaction: its id. */
const transactionKey = message('TransactionLogKey', { versions: [0, 0] }, {
  transactionalId: string(),
})

// Version 1 is flexible and adds the tagged fields (KIP-890). Kafka 3.9 writes 0, and 4.0 on writes 1.
/** The value of a transaction. */
export const transactionValue = message('TransactionLogValue', { versions: [0, 1], flexible: 1 }, {
  producerId: bigint64(),
  previousProducerId: bigint64({ since: 1, tag: 0, default: -1n }),
  nextProducerId: bigint64({ since: 1, tag: 1, default: -1n }),
  producerEpoch: int16(),
  transactionTimeoutMs: int32(),
  /** An index of {@link transactionStatuses}. */
  transactionStatus: int8(),
  /** Null when the status is Empty. */
  transactionPartitions: array({ topic: string(), partitionIds: array(int32()) }, { nullable: 0 }),
  transactionLastUpdateTimestampMs: int64(),
  transactionStartTimestampMs: int64(),
  clientTransactionVersion: int16({ since: 1, tag: 2, default: 0 }),
})

const kinds = {
  transaction: { types: [0], key: transactionKey, value: transactionValue, writes: 1 },
} as const

/** A record of `__transaction_state`. */
export type TransactionRecord = CoordinatorRecord<typeof kinds>

/** A record of `__transaction_state` to encode. */
export type TransactionRecordInput = CoordinatorRecordInput<typeof kinds>

const codec = coordinatorRecords('__transaction_state', kinds)

/** Key and value of a record, in version 1 unless the record names another. A null value is a tombstone. */
export function encodeTransactionRecord(record: TransactionRecordInput): { key: Buffer; value: Buffer | null } {
  return codec.encode(record)
}

/**
 * A record of `__transaction_state` from its key and value.
 *
 * @throws LogError `LOG_DECODE_FAILED`, `LOG_VERSION_UNSUPPORTED`
 */
export function decodeTransactionRecord(key: Uint8Array, value: Uint8Array | null): TransactionRecord | UnknownRecord {
  return codec.decode(key, value)
}
