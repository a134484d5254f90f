/*
 * Whether a partition will take a record, asked before any record of a list is appended: of those that belong together none is stored alone. Says
 * what the append itself would (log/append-checks.ts).
 */
import { RECORDS_AT } from '../../format/batch.ts'
import { headersSize, NULL_SIZE, recordBodySize, recordSize } from '../../format/record.ts'
import { checkBounds, checkTimestamp, keyMissing, recordTooLarge, timestampBounds } from '../../log/append-checks.ts'
import { headerList } from '../../log/batch-builder.ts'
import { type LogConfig } from '../../log/config.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type RecordInput } from '../../log/record-input.ts'

/** A record as its bytes. */
export type EncodedRecord = RecordInput<Uint8Array, Uint8Array> & { readonly timestamp: number }

/**
 * Checks a record for a partition.
 *
 * @param now  time of the broker, ms since 1970
 * @throws LogError `LOG_RECORD_INVALID`, `LOG_RECORD_TOO_LARGE`; TypeError for headers that are none; RangeError for a time that is none
 */
export function checkAppend(log: PartitionLog, config: LogConfig, record: EncodedRecord, now: number): void {
  const { topic, partition } = log
  const { key = null, value, headers, timestamp } = record
  if (key === null && log.compacted) throw keyMissing(topic)
  const bounds = timestampBounds(config, now)
  if (bounds !== undefined) checkBounds(timestamp, bounds, topic)
  checkTimestamp(timestamp)
  const sizeOfHeaders = headersSize(headerList(headers ?? []).map(([name, one]) => [name, typeof one === 'string' ? Buffer.from(one) : one]))
  const size = RECORDS_AT + recordSize(recordBodySize(0, 0, key?.length ?? NULL_SIZE, value?.length ?? NULL_SIZE, sizeOfHeaders))
  if (size > config.maxMessageBytes) throw recordTooLarge(size, { topic, partition, config })
}
