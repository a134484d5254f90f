/*
 * A batch that lies in memory: where, and what its header says as far as a walk over its records needs it. It is read once per batch, and
 * kept with batches that are read again and again. What the whole header says is format/batch.ts; nothing is checked here.
 */
import { getInt16, getInt32, getInt64 } from '../base/bytes.ts'
import {
  ATTRIBUTES_AT, BASE_OFFSET_AT, BASE_TIMESTAMP_AT, batchSize, COMPRESSION_MASK, CONTROL_BIT, LAST_OFFSET_DELTA_AT, LEADER_EPOCH_AT,
  LOG_APPEND_TIME_BIT, MAX_TIMESTAMP_AT, RECORD_COUNT_AT, TRANSACTIONAL_BIT,
} from '../format/batch.ts'

/** A batch in `buffer`, taken apart. */
export class BatchPlace {
  readonly buffer: Buffer
  /** Where it begins in `buffer`. */
  readonly at: number
  /** Bytes, header included. */
  readonly size: number
  readonly attributes: number
  readonly baseOffset: number
  readonly lastOffset: number
  readonly recordCount: number
  readonly baseTimestamp: number
  /** The time of the append when the log stamped the batch; undefined when records carry their own. */
  readonly appendTime: number | undefined
  readonly leaderEpoch: number
  /** Where each of its records begins in `buffer`: made for batches that are kept, when one is first asked for. */
  recordPlaces: Uint32Array | undefined = undefined

  /** Reads the header at `at` of a batch that is whole and checked. */
  constructor(buffer: Buffer, at: number) {
    this.buffer = buffer
    this.at = at
    this.size = batchSize(buffer, at)
    this.attributes = getInt16(buffer, at + ATTRIBUTES_AT)
    this.baseOffset = getInt64(buffer, at + BASE_OFFSET_AT)
    this.lastOffset = this.baseOffset + getInt32(buffer, at + LAST_OFFSET_DELTA_AT)
    this.recordCount = getInt32(buffer, at + RECORD_COUNT_AT)
    this.baseTimestamp = getInt64(buffer, at + BASE_TIMESTAMP_AT)
    this.appendTime = (this.attributes & LOG_APPEND_TIME_BIT) === 0 ? undefined : getInt64(buffer, at + MAX_TIMESTAMP_AT)
    this.leaderEpoch = getInt32(buffer, at + LEADER_EPOCH_AT)
  }

  /** The compression's number in `compressionNames`; 0 for none. */
  get compression(): number {
    return this.attributes & COMPRESSION_MASK
  }

  /** Whether every reader gets it: it is no control batch, nor part of a transaction, which may have been aborted. */
  get plain(): boolean {
    return (this.attributes & (CONTROL_BIT | TRANSACTIONAL_BIT)) === 0
  }

  /** Whether each of its offsets has a record, in their order: compaction leaves gaps. */
  get dense(): boolean {
    return this.lastOffset - this.baseOffset === this.recordCount - 1
  }
}

/** The last offset of the batch at `at`, as it says. */
export function lastOffsetAt(buffer: Buffer, at: number): number {
  return getInt64(buffer, at + BASE_OFFSET_AT) + getInt32(buffer, at + LAST_OFFSET_DELTA_AT)
}
