/*
 * Every setting of one partition's log, with its unit, default and consequence. Names and meanings are Kafka's in camelCase; defaults
 * are Kafka's unless docs/settings.md says otherwise and why. What a user may pass is checked in topics/; here values are trusted.
 */
import { type CompressionName } from '../format/compression.ts'

/** When an append counts as stored: see {@link LogConfig.durability}. */
export const durabilities = ['sync', 'interval', 'os'] as const
/** One of {@link durabilities}. */
export type Durability = (typeof durabilities)[number]

/** The largest `lingerMs`: one less than the longest timer, which stands for "not at all". */
export const LONGEST_LINGER_MS = 0x7fff_fffe

/** The settings of one partition's log, all of them given. */
export interface LogConfig {
  // What happens
  /**
   * When an append is acknowledged and becomes visible. `'sync'`: when a power cut can no longer undo it. `'interval'` is UNSAFE in a
   * power cut: what was appended in the last `flushIntervalMs` may be lost. `'os'` is UNSAFE in a power cut: what the system had not
   * yet written, up to one segment and what it takes to sync it, may be lost. Default `'sync'`.
   */
  readonly durability: Durability
  /** Largest batch, and so the largest record, in bytes on disk. Default 1 MiB + 12. */
  readonly maxMessageBytes: number
  /** Whose clock stamps a record: the caller's (or ours when it gives none), or always ours at the append. Default `'CreateTime'`. */
  readonly messageTimestampType: 'CreateTime' | 'LogAppendTime'
  /** Ms that the timestamp of a record may lie behind the log's clock with `'CreateTime'`; others are refused. Default Infinity. */
  readonly messageTimestampBeforeMaxMs: number
  /** Ms that it may lie ahead of the clock. Default Infinity. */
  readonly messageTimestampAfterMaxMs: number
  /** How batches built here are compressed; `'producer'` leaves ready batches as they came and compresses nothing. Default `'producer'`. */
  readonly compressionType: 'producer' | 'uncompressed' | Exclude<CompressionName, 'none'>
  /** `'delete'`, `'compact'` or `'compact,delete'`. A compacted log takes no record without a key. Default `'delete'`. */
  readonly cleanupPolicy: 'delete' | 'compact' | 'compact,delete'
  /** Age in ms after which whole segments go. Default Infinity: nothing is deleted that nobody asked to delete. */
  readonly retentionMs: number
  /** Bytes of a partition above which its oldest whole segments go. Default Infinity. */
  readonly retentionBytes: number
  /** Ms for which a record of a compacted log is kept whatever comes behind it. Default 0. */
  readonly minCompactionLagMs: number
  /** Ms after which a record of a compacted log is to be looked at by a compaction, however little there is to gain. Default Infinity. */
  readonly maxCompactionLagMs: number
  /** A compacted log is cleaned when more than this part of its sealed bytes, 0 to 1, was not looked at yet. Default 0.5. */
  readonly minCleanableDirtyRatio: number
  /** Ms for which compaction keeps a tombstone after the first cleaning that met it, so that readers can see the key go. Default one day. */
  readonly deleteRetentionMs: number
  /** Ms for which the files of deleted segments stay, with `.deleted` behind their names, before their room is given back. Default one minute. */
  readonly fileDeleteDelayMs: number
  /** Milliseconds after its last record in which an idle idempotent producer is forgotten. Default one day. */
  readonly producerIdExpirationMs: number

  // How fast
  /** Bytes after which a new segment starts; a batch is never split. Default 64 MiB, at most 2^31 − 1. */
  readonly segmentBytes: number
  /** Milliseconds of record time after which a new segment starts with the next append. Default seven days. */
  readonly segmentMs: number
  /** Up to so many ms, drawn for each segment, are taken off `segmentMs`, so that many partitions do not roll at once. Default 0. */
  readonly segmentJitterMs: number
  /** Largest size of each index file of a segment; a full index starts a new segment. Default 10 MiB. */
  readonly segmentIndexBytes: number
  /** Bytes of log between two entries of the sparse indexes. Default 4096. */
  readonly indexIntervalBytes: number
  /** Bytes at which a batch built here is sealed. Default 64 KiB. */
  readonly batchSize: number
  /** Milliseconds that an append may wait for company before its batch is written; a full batch does not wait. Default 0. */
  readonly lingerMs: number
  /** Milliseconds between two syncs with durability `'interval'`. Default 1000. */
  readonly flushIntervalMs: number
}

/** The defaults of {@link LogConfig}. */
export const defaultLogConfig: LogConfig = {
  durability: 'sync',
  maxMessageBytes: 1_048_588,
  messageTimestampType: 'CreateTime',
  messageTimestampBeforeMaxMs: Infinity,
  messageTimestampAfterMaxMs: Infinity,
  compressionType: 'producer',
  cleanupPolicy: 'delete',
  retentionMs: Infinity,
  retentionBytes: Infinity,
  minCompactionLagMs: 0,
  maxCompactionLagMs: Infinity,
  minCleanableDirtyRatio: 0.5,
  deleteRetentionMs: 86_400_000,
  fileDeleteDelayMs: 60_000,
  producerIdExpirationMs: 86_400_000,
  segmentBytes: 64 * 1024 * 1024,
  segmentMs: 604_800_000,
  segmentJitterMs: 0,
  segmentIndexBytes: 10 * 1024 * 1024,
  indexIntervalBytes: 4096,
  batchSize: 64 * 1024,
  lingerMs: 0,
  flushIntervalMs: 1000,
}
