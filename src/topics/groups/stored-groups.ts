/*
 * The records of the offsets topic as what they say: commits, and groups of each kind. One that nobody understands is left alone: it may be of a
 * newer Kafka.
 */
import { isLogError } from '../../base/errors.ts'
import { decodeOffsetsRecord, readOffsetCommit } from '../../format/consumer-offsets.ts'
import { type ConsumerGroupRecord } from './consumer-group-records.ts'
import { FINISHED_HEADER, groupMetadata, type GroupMetadata } from './group-records.ts'
import { type CommittedOffset } from './offset-table.ts'
import { type ReadOffsetsRecord } from './offsets-log.ts'

type Decoded = ReturnType<typeof decodeOffsetsRecord>
type OfGroup = Exclude<Decoded, { kind: 'unknown' | 'offsetCommit' | 'groupMetadata' }>
/** A record of a share group. */
export type ShareGroupRecord = Exclude<OfGroup, ConsumerGroupRecord>

/** Who is told what is stored; null for what was forgotten. */
export interface StoredGroups {
  commit(groupId: string, topic: string, partition: number, committed: CommittedOffset | null): void
  classic(groupId: string, metadata: GroupMetadata | null): void
  consumers(record: ConsumerGroupRecord): void
  /** @param key  of the record, good until the next one */
  share(record: ShareGroupRecord, key: Buffer): void
}

/** Tells `groups` what a record of the offsets topic says. */
export function readStored(record: ReadOffsetsRecord, groups: StoredGroups): void {
  const { key, value } = record
  if (key === null) return
  // Nearly all records are commits: they are read without the schemas.
  const commit = value === null ? undefined : readOffsetCommit(key, value)
  if (commit !== undefined) {
    const { group, topic, partition, offset, leaderEpoch, metadata, commitTimestamp } = commit
    const finished = finishedOf(record)
    return groups.commit(group, topic, partition, {
      offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp: -1, finished, at: record.offset,
    })
  }
  const decoded = decode(key, record)
  if (decoded === undefined || decoded.kind === 'unknown') return
  if (decoded.kind === 'offsetCommit') {
    const { group, topic, partition } = decoded.key
    groups.commit(group, topic, partition, decoded.value && { ...decoded.value, at: record.offset, finished: finishedOf(record) })
  } else if (decoded.kind === 'groupMetadata') groups.classic(decoded.key.group, decoded.value && groupMetadata(decoded.value))
  else if (isConsumerRecord(decoded)) groups.consumers(decoded)
  else groups.share(decoded, key)
}

function decode(key: Buffer, record: ReadOffsetsRecord): Decoded | undefined {
  try {
    return decodeOffsetsRecord(key, record.value)
  } catch (error) {
    if (isLogError(error, 'LOG_VERSION_UNSUPPORTED') || isLogError(error, 'LOG_DECODE_FAILED')) return undefined
    throw error
  }
}

function isConsumerRecord(record: OfGroup): record is ConsumerGroupRecord {
  return record.kind.startsWith('consumerGroup')
}

function finishedOf(record: ReadOffsetsRecord): Buffer | undefined {
  const finished = record.header(FINISHED_HEADER)
  return finished === undefined || finished === null ? undefined : Buffer.from(finished)
}
