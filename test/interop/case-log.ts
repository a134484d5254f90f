/*
 * A log under test that remembers what was written to it: partitions of one topic in a folder of their own, and, for each, the records that
 * whoever reads it must find.
 */
import { join } from 'node:path'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { diskFileSystem } from '../../src/files/disk.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { type EncodeBatchOptions, encodeBatch } from '../../src/format/batch.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { partitionFolderName } from '../../src/format/names.ts'
import { type PartitionLog } from '../../src/log/partition-log.ts'
import { type LogRecord } from '../../src/log/record.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { LogCore } from '../../src/topics/log-core.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'

/** The timestamp of the first record; those that follow count up by 10 ms an offset. An hour ago: older producers are forgotten. */
export const FIRST_TIMESTAMP = Math.floor(Date.now() / 1000 - 3600) * 1000

const MIB = 1024 * 1024

/** Keys and values as they are. */
export const bytesCodecs = { key: bytes, value: bytes }

/** A record that was written; bytes are base64. */
export interface WrittenRecord {
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: 'CreateTime' | 'LogAppendTime'
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly (readonly [string, string | null])[]
  readonly leaderEpoch: number
}

/** A record to write. */
export interface RecordToWrite {
  readonly key?: Buffer | string | null
  readonly value?: Buffer | string | null
  readonly headers?: readonly (readonly [string, Buffer | string | null])[]
  readonly timestamp?: number
}

/** What lies in one partition after everything was written. */
export class WrittenPartition {
  readonly topic: string
  readonly partition: number
  readonly folder: string
  readonly config: TopicSettings
  /** Everything that a reader of uncommitted records gets. */
  records: WrittenRecord[] = []
  /** Offsets of records whose transaction was aborted. */
  readonly aborted = new Set<number>()
  /** Where each transaction that did not end began. */
  readonly openTransactions = new Map<bigint, number[]>()

  constructor(root: string, topic: string, partition: number, config: TopicSettings = {}) {
    this.topic = topic
    this.partition = partition
    this.folder = join(root, partitionFolderName(topic, partition))
    this.config = config
  }

  /** Everything that a reader of committed records gets. */
  get committed(): WrittenRecord[] {
    const end = Math.min(...[...this.openTransactions.values()].map(([first]) => first!))
    return this.records.filter(({ offset }) => offset < end && !this.aborted.has(offset))
  }

  /** Notes that a record was written. */
  remember({ key, value, headers, timestamp }: RecordToWrite & { readonly timestamp: number }, at: { offset: number; leaderEpoch: number }): void {
    const { messageTimestampType = 'CreateTime' } = this.config
    const base64 = (part: Buffer | string | null | undefined): string | null => toBytes(part)?.toString('base64') ?? null
    this.records.push({
      ...at, timestampType: messageTimestampType, timestamp: messageTimestampType === 'LogAppendTime' ? clock.now() : timestamp,
      key: base64(key), value: base64(value), headers: (headers ?? []).map(([name, part]) => [name, base64(part)]),
    })
  }

  /** What was open when the log was left is aborted when it is opened for writing. */
  abortOpen(): void {
    for (const offsets of this.openTransactions.values()) for (const offset of offsets) this.aborted.add(offset)
    this.openTransactions.clear()
  }

  /** Forgets records that were lost or cut. */
  forget(from: number, to = Infinity): void {
    this.records = this.records.filter(({ offset }) => offset < from || offset >= to)
  }
}

/** One partition while it is written. */
export class PartitionWriter {
  readonly log: PartitionLog
  readonly written: WrittenPartition

  constructor(log: PartitionLog, written: WrittenPartition) {
    this.log = log
    this.written = written
  }

  /** Appends a record and remembers it; gives its offset. */
  append(record: RecordToWrite): number {
    const timestamp = record.timestamp ?? FIRST_TIMESTAMP + this.log.nextOffset * 10
    const { key, value, headers } = asBytes(record)
    const offset = this.log.append(bytesCodecs, { key, value, headers, timestamp })
    this.#remember(offset, { ...record, timestamp })
    return offset
  }

  /** Appends a ready batch, as a producer on the wire would send it; gives its base offset. */
  batch(records: readonly RecordToWrite[], options: EncodeBatchOptions): number {
    const first = this.log.nextOffset
    const dated = records.map((record, index) => ({ ...record, timestamp: record.timestamp ?? FIRST_TIMESTAMP + (first + index) * 10 }))
    const bytes = encodeBatch(dated.map((record) => ({ ...asBytes(record), timestamp: record.timestamp })), options)
    const { baseOffset } = this.log.appendBatch(bytes, 'client')
    for (const [index, record] of dated.entries()) this.#remember(baseOffset + index, record)
    if (options.transactional === true) {
      const open = this.written.openTransactions.get(options.producerId!) ?? []
      this.written.openTransactions.set(options.producerId!, [...open, ...records.map((_, index) => baseOffset + index)])
    }
    return baseOffset
  }

  /** Ends the transaction of a producer. */
  end(type: 'COMMIT' | 'ABORT', producerId: bigint, producerEpoch: number): void {
    const timestamp = FIRST_TIMESTAMP + this.log.nextOffset * 10
    this.log.appendBatch(encodeEndTransactionMarker({ type, producerId, producerEpoch, coordinatorEpoch: 3, timestamp }), 'coordinator')
    if (type === 'ABORT') for (const offset of this.written.openTransactions.get(producerId) ?? []) this.written.aborted.add(offset)
    this.written.openTransactions.delete(producerId)
  }

  #remember(offset: number, record: RecordToWrite & { readonly timestamp: number }): void {
    this.written.remember(record, { offset, leaderEpoch: this.log.leaderEpoch })
  }
}

/** Time of the tests: the wall clock moves when told. */
export const clock = {
  ...systemClock,
  wallTime: FIRST_TIMESTAMP,
  now: () => clock.wallTime,
}

/** The log of one case in `root`, open for writing. */
export class CaseLog {
  readonly partitions: readonly PartitionWriter[]
  readonly #core: LogCore

  private constructor(core: LogCore, partitions: readonly PartitionWriter[]) {
    this.#core = core
    this.partitions = partitions
  }

  /** Opens, and creates or recovers, the log in `root` with its topic. */
  static async open(
    root: string, written: readonly WrittenPartition[], files: FileSystem = diskFileSystem, { readOnly = false } = {},
  ): Promise<CaseLog> {
    const core = await LogCore.open({
      files, folder: root, clock, random: systemRandom, readOnly, create: !readOnly, waitMs: 0, signal: undefined, settings: {},
      bufferBytes: 32 * MIB, windowBytes: 16 * MIB, minFreeBytes: 0,
    })
    const { topic, config } = written[0]!
    const { logs } = await core.openTopic({
      name: topic, partitions: written.length, settings: config, create: !readOnly, key: undefined, value: undefined,
      newKey: bytes.name, newValue: bytes.name,
    })
    if (!readOnly) for (const one of written) one.abortOpen()
    return new CaseLog(core, logs.map((log, partition) => new PartitionWriter(log!, written[partition]!)))
  }

  get first(): PartitionWriter {
    return this.partitions[0]!
  }

  /** Closes in good order. */
  close(): Promise<void> {
    return this.#core.close()
  }
}

/** A record that was read, as one that was written. */
export function asWritten(record: LogRecord<Uint8Array, Uint8Array>): WrittenRecord {
  const base64 = (bytes: Buffer | null): string | null => bytes?.toString('base64') ?? null
  const { offset, timestamp, timestampType, leaderEpoch } = record
  return {
    offset, timestamp, timestampType, leaderEpoch, key: base64(record.keyBytes), value: base64(record.valueBytes),
    headers: record.headers.map(([name, value]) => [name, base64(value)]),
  }
}

function asBytes({ key, value, headers }: RecordToWrite): { key: Buffer | null; value: Buffer | null; headers: [string, Buffer | null][] } {
  return { key: toBytes(key), value: toBytes(value), headers: (headers ?? []).map(([name, part]) => [name, toBytes(part)]) }
}

function toBytes(part: Buffer | string | null | undefined): Buffer | null {
  return part === undefined || part === null ? null : Buffer.from(part)
}
