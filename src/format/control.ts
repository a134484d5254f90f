/*
 * Control records: what the log says to itself between the records of users. Those that end transactions are read and written; of the
 * others, which Kafka's controllers write into their own log, only the type is told. Spec: docs/format.md#control-batches.
 *
 *   key     int16 version 0, int16 type
 *   value   int16 version 0, int32 coordinator epoch          (of ABORT and COMMIT)
 */
import { getInt16, getInt32, setBigInt64, setInt16, setInt32, setInt64 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { LogError } from '../base/errors.ts'
import {
  ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_TIMESTAMP_AT, CRC_AT, encodeBatch, LEADER_EPOCH_AT, MAX_TIMESTAMP_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT,
  RECORDS_AT,
} from './batch.ts'

/** The types, each at the index that a control record's key holds (on disk, so forever). */
const controlTypes = ['ABORT', 'COMMIT', 'LEADER_CHANGE', 'SNAPSHOT_HEADER', 'SNAPSHOT_FOOTER', 'KRAFT_VERSION', 'KRAFT_VOTERS'] as const

/** What a control record says. Types that are newer than this code are `UNKNOWN`, and ignored by readers. */
export type ControlType = (typeof controlTypes)[number] | 'UNKNOWN'

/** The end of a transaction, as its marker tells it. */
export interface EndTransactionMarker {
  readonly type: 'ABORT' | 'COMMIT'
  /** Epoch of the transaction coordinator that wrote the marker. */
  readonly coordinatorEpoch: number
}

/** A marker and where it goes. */
export interface EndTransactionMarkerFields extends EndTransactionMarker {
  /** Default 0, for a log that gives the batch its place later. */
  readonly offset?: number
  /** Default -1, likewise. */
  readonly leaderEpoch?: number
  /** Milliseconds since 1970. */
  readonly timestamp: number
  readonly producerId: bigint
  readonly producerEpoch: number
}

const KEY_SIZE = 4
const VALUE_SIZE = 6
const VERSION_AT = 0
const TYPE_AT = 2
const COORDINATOR_EPOCH_AT = 2
const CURRENT_VERSION = 0

/** Bytes of the batch that ends a transaction. */
export const END_TRANSACTION_MARKER_SIZE = 78
/** Where in it the marker says what it is. */
const MARKER_TYPE_AT = RECORDS_AT + 7
const MARKER_COORDINATOR_EPOCH_AT = RECORDS_AT + 12

/** A marker without the fields that differ; made when it is first needed. */
let template: Buffer | undefined

/** Writes the batch that ends a transaction, {@link END_TRANSACTION_MARKER_SIZE} bytes, and its checksum. */
export function writeEndTransactionMarker(buffer: Buffer, at: number, marker: EndTransactionMarkerFields): void {
  template ??= encodeEndTransactionMarker({ type: 'ABORT', coordinatorEpoch: 0, timestamp: 0, producerId: 0n, producerEpoch: 0 })
  buffer.set(template, at)
  setInt64(buffer, at + BASE_OFFSET_AT, marker.offset ?? 0)
  setInt32(buffer, at + LEADER_EPOCH_AT, marker.leaderEpoch ?? -1)
  setInt64(buffer, at + BASE_TIMESTAMP_AT, marker.timestamp)
  setInt64(buffer, at + MAX_TIMESTAMP_AT, marker.timestamp)
  setBigInt64(buffer, at + PRODUCER_ID_AT, marker.producerId)
  setInt16(buffer, at + PRODUCER_EPOCH_AT, marker.producerEpoch)
  setInt16(buffer, at + MARKER_TYPE_AT, controlTypes.indexOf(marker.type))
  setInt32(buffer, at + MARKER_COORDINATOR_EPOCH_AT, marker.coordinatorEpoch)
  setInt32(buffer, at + CRC_AT, crc32c(buffer, at + ATTRIBUTES_AT, at + END_TRANSACTION_MARKER_SIZE))
}

/** The batch that ends a transaction: one record, 78 bytes. */
export function encodeEndTransactionMarker(marker: EndTransactionMarkerFields): Buffer {
  const key = Buffer.alloc(KEY_SIZE)
  setInt16(key, VERSION_AT, CURRENT_VERSION)
  setInt16(key, TYPE_AT, controlTypes.indexOf(marker.type))
  const value = Buffer.alloc(VALUE_SIZE)
  setInt16(value, VERSION_AT, CURRENT_VERSION)
  setInt32(value, COORDINATOR_EPOCH_AT, marker.coordinatorEpoch)
  return encodeBatch([{ offset: marker.offset ?? 0, timestamp: marker.timestamp, key, value }], {
    leaderEpoch: marker.leaderEpoch ?? -1,
    producerId: marker.producerId,
    producerEpoch: marker.producerEpoch,
    transactional: true,
    control: true,
  })
}

/**
 * What a control record says, by its key.
 *
 * @throws LogError `LOG_BATCH_CORRUPT` when the key is missing, too short, or of a negative version
 */
export function readControlType(key: Uint8Array | null): ControlType {
  if (key === null || key.length < KEY_SIZE || getInt16(key, VERSION_AT) < 0) throw corrupt('its key is not that of a control record')
  return controlTypes[getInt16(key, TYPE_AT)] ?? 'UNKNOWN'
}

/**
 * The marker in a control record, or undefined when the record is something else. Values of newer versions are read as far as they are known.
 *
 * @throws LogError `LOG_BATCH_CORRUPT` when key or value are too short or of a negative version
 */
export function readEndTransactionMarker(key: Uint8Array | null, value: Uint8Array | null): EndTransactionMarker | undefined {
  const type = readControlType(key)
  if (type !== 'ABORT' && type !== 'COMMIT') return undefined
  if (value === null || value.length < VALUE_SIZE || getInt16(value, VERSION_AT) < 0) throw corrupt('its value is not that of a marker')
  return { type, coordinatorEpoch: getInt32(value, COORDINATOR_EPOCH_AT) }
}

function corrupt(reason: string): LogError {
  return new LogError('LOG_BATCH_CORRUPT', `a control record is damaged: ${reason}`, { reason })
}
