/*
 * One partition of a topic, with the topic's codecs: synchronous appends and reads, and the offsets that say what is durable and what
 * readers may see. It adds nothing to a record's way but the check that the handle is open; the work is log/partition-log.ts's.
 */
import { type InspectOptions } from 'node:util'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { checkInteger, checkOneOf, checkOptions, describe } from '../base/options.ts'
import { type Isolation, type PartitionLog } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type RecordCodecs, type RecordInput } from '../log/record-input.ts'
import { type RecoveryReport } from '../log/recovery-report.ts'
import { type FoundTimestamp } from '../log/timestamps.ts'
import { signalOf, unlessAborted, type WaitOptions } from './abort.ts'
import { checkCompactOptions, compactNow, type CompactOptions, type CompactReport } from './cleaning.ts'
import { appendsWatched, tellAppend } from './diagnostics.ts'
import { eventTopicError } from './event-topics.ts'
import { internalTopicError, isInternalTopic } from './internal-topics.ts'
import { type Life } from './life.ts'
import { checkStartPosition, resolveStart, type StartPosition } from './start-position.ts'

/** Which records a reader gets: those of transactions that committed and all without a transaction, or all. */
export const isolations = ['read_committed', 'read_uncommitted'] as const satisfies readonly Isolation[]

const rangeOptions = ['from', 'to', 'isolation', 'upTo'] as const satisfies readonly (keyof ReadRange)[]
const readEnds = ['watermark', 'appended'] as const satisfies readonly ReadRange['upTo'][]

/** What to read of a partition. */
export interface ReadRange {
  /** Where to begin. Default `'earliest'`. */
  readonly from?: StartPosition
  /** Offset to end before. Default: the end as it is now. */
  readonly to?: number
  /** Default `'read_committed'`. */
  readonly isolation?: Isolation
  /** `'appended'` also gives what this process appended and what is not acknowledged yet: it may still be lost. Default `'watermark'`. */
  readonly upTo?: 'watermark' | 'appended'
}

/** The numbers of one partition. */
export interface PartitionStats {
  readonly partition: number
  readonly startOffset: number
  readonly nextOffset: number
  readonly highWatermark: number
  readonly lastStableOffset: number
  readonly leaderEpoch: number
  readonly state: 'open' | 'fenced' | 'closed'
  /** Bytes of batches on disk; room that is kept ahead is not counted. */
  readonly bytes: number
  readonly segments: number
  /** What opening it found. */
  readonly recovery: RecoveryReport
}

/** One partition of a topic. */
export class Partition<K, V> {
  /** The partition's topic. */
  readonly topic: string
  /** The partition's number in its topic. */
  readonly partition: number
  private readonly log: PartitionLog
  private readonly codecs: RecordCodecs<K, V>
  private readonly life: Life
  private readonly folder: string
  /** One of the log's own. */
  private readonly internal: boolean
  /** Of an event store, which alone writes to it. */
  private readonly events: boolean

  /** @internal */
  constructor(log: PartitionLog, codecs: RecordCodecs<K, V>, life: Life, folder: string, events = false) {
    this.topic = log.topic
    this.partition = log.partition
    this.log = log
    this.codecs = codecs
    this.life = life
    this.folder = folder
    this.internal = isInternalTopic(log.topic)
    this.events = events
  }

  /** The oldest offset kept. */
  get startOffset(): number {
    return this.log.startOffset
  }

  /** The offset that the next record gets, as things stand. */
  get nextOffset(): number {
    return this.log.nextOffset
  }

  /** Records below it are acknowledged, as the topic's durability asks. */
  get durableOffset(): number {
    return this.log.durableOffset
  }

  /** Records below it may be seen by consumers. */
  get highWatermark(): number {
    return this.log.highWatermark
  }

  /** Records below it may be seen by consumers that read committed ones: no transaction that has a record below it is still open. */
  get lastStableOffset(): number {
    return this.log.lastStableOffset
  }

  /**
   * Appends a record and gives its offset at once, before anything is written: `durable(offset)` says when it is stored. If it cannot be,
   * the offset is not given to another record, and the loss is thrown by the next `append`, `flush` or `durable`.
   *
   * @throws LogError `LOG_BUFFER_FULL`, `LOG_DISK_FULL`, `LOG_FENCED`, `LOG_APPEND_LOST`, `LOG_RECORD_TOO_LARGE`, `LOG_RECORD_INVALID`,
   *   `LOG_READ_ONLY`, `LOG_CLOSED`
   * @throws TypeError for keys and values that the topic's codecs do not take
   */
  append(record: RecordInput<K, V>): number {
    if (!this.life.alive) throw this.life.closedError()
    if (this.internal) throw internalTopicError(this.topic)
    if (this.events) throw eventTopicError(this.topic)
    if (record === null || typeof record !== 'object' || record.value === undefined) refuseRecord(record)
    const offset = this.log.append(this.codecs, record)
    if (appendsWatched()) tellAppend({ log: this.folder, topic: this.topic, partition: this.partition, offset })
    return offset
  }

  /**
   * Resolves when the record at `offset`, and with it every one before, is stored; rejects when it was lost.
   *
   * @param offset  one that `append` gave; −1, the one before the first, is stored already
   * @throws RangeError for an offset that was not given out
   */
  durable(offset: number, options?: WaitOptions): Promise<void> {
    if (options === undefined && Number.isInteger(offset) && this.life.alive) return this.log.durable(offset)
    return this.durableUnless(offset, options)
  }

  /** Resolves when everything appended so far is synced, whatever the durability. */
  async flush(): Promise<void> {
    this.life.check()
    await this.log.flush()
  }

  /**
   * The records of a range, read as they are asked for. The end is fixed now; nothing is read before the first record is asked for.
   *
   * Reading a file holds the event loop for as long as the disk takes: for large, cold ranges in a server use a consumer.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`, `LOG_CORRUPT`, `LOG_CLOSED`
   */
  read(range: ReadRange = {}): IterableIterator<LogRecord<K, V>> {
    this.life.check()
    checkOptions(range, rangeOptions, 'read')
    const { from = 'earliest', to, isolation, upTo } = range
    checkStartPosition(from, 'from')
    checkInteger(to, 'to', 0)
    checkOneOf(isolation, 'isolation', isolations)
    checkOneOf(upTo, 'upTo', readEnds)
    return this.log.read(this.codecs, { from: resolveStart(this.log, from, isolation), to, isolation, upTo })
  }

  /** The first record at or after a time, ms since 1970, in the order of the log; undefined when there is none that such a reader gets. */
  offsetForTimestamp(timestamp: number, isolation: Isolation = 'read_committed'): FoundTimestamp | undefined {
    this.life.check()
    checkInteger(timestamp ?? null, 'timestamp', 0)
    checkOneOf(isolation, 'isolation', isolations)
    return this.log.offsetForTimestamp(timestamp, isolation)
  }

  /** The first record with the largest timestamp of those that such a reader gets; undefined when none of them has one. */
  maxTimestamp(isolation: Isolation = 'read_committed'): FoundTimestamp | undefined {
    this.life.check()
    checkOneOf(isolation, 'isolation', isolations)
    return this.log.maxTimestamp(isolation)
  }

  /** Starts a new segment, unless the last one is empty. */
  async roll(): Promise<void> {
    this.life.check()
    await this.log.roll()
  }

  /**
   * Compacts the partition now, whatever there is to gain: of each key the last record stays, the others go; offsets and order never change.
   * A new segment begins, so that everything up to now is looked at.
   *
   * @throws LogError `LOG_POLICY_VIOLATION` for a topic that is not compacted, `LOG_CORRUPT`, `LOG_READ_ONLY`; the reason of the signal
   */
  async compactNow(options?: CompactOptions): Promise<CompactReport> {
    this.life.check()
    checkCompactOptions(options)
    return compactNow(this.log, options)
  }

  /**
   * Deletes the records below an offset, whatever their age: readers below it get LOG_OFFSET_OUT_OF_RANGE. Resolves to the start that the
   * partition has then, once it is durable. The room of whole segments is given back; an offset at or below the start does nothing.
   *
   * @param before  an offset up to the watermark, or `'latest'`: all that consumers can see
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`, `LOG_POLICY_VIOLATION` when the topic is only compacted, `LOG_FENCED`, `LOG_READ_ONLY`
   */
  async deleteRecords(before: number | 'latest'): Promise<number> {
    this.life.check()
    if (this.events) throw eventTopicError(this.topic)
    if (before !== 'latest') checkInteger(before ?? null, 'the offset before which records are deleted', 0)
    return this.log.deleteRecords(before === 'latest' ? this.log.highWatermark : before)
  }

  /**
   * Removes every record from `offset` on, whole batches at a time: a batch that holds it goes whole. Consumers past that place get
   * LOG_OFFSET_OUT_OF_RANGE. At or past the end it does nothing.
   */
  async truncate(offset: number): Promise<void> {
    this.life.check()
    if (this.events) throw eventTopicError(this.topic)
    checkInteger(offset ?? null, 'offset', 0)
    await this.log.truncateTo(offset)
  }

  /**
   * Takes appends again after a write or sync failed (LOG_FENCED): what was not acknowledged is cut, and a new segment begins. Rejects, and
   * the partition stays fenced, while the disk still fails.
   */
  async reopen(): Promise<void> {
    this.life.check()
    await this.log.reopen()
  }

  /** The partition's numbers as they are now. */
  stats(): PartitionStats {
    return partitionStats(this.log)
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const { topic, partition, startOffset, highWatermark } = this
    return inspected('Partition', () => ({ topic, partition, startOffset, highWatermark }), depth, options, inspect)
  }

  private async durableUnless(offset: number, options: WaitOptions | undefined): Promise<void> {
    this.life.check()
    checkInteger(offset ?? null, 'offset', -1)
    await unlessAborted(this.log.durable(offset), options === undefined ? undefined : signalOf(options, 'durable'))
  }
}

/** The numbers of a partition's log. */
export function partitionStats(log: PartitionLog): PartitionStats {
  return {
    partition: log.partition, startOffset: log.startOffset, nextOffset: log.nextOffset, highWatermark: log.highWatermark,
    lastStableOffset: log.lastStableOffset, leaderEpoch: log.leaderEpoch, state: log.state, bytes: log.size, segments: log.segmentCount,
    recovery: log.recovery,
  }
}

/** A record without a value is more likely a slip than a tombstone. */
export function refuseRecord(record: unknown, sent = false): never {
  if (record === null || typeof record !== 'object') {
    throw new TypeError(`a record is { key, value, headers, timestamp${sent ? ', partition' : ''} }, not ${describe(record)}`)
  }
  throw new TypeError('a record has a value; null says that the key is gone')
}
