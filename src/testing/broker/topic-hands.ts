/*
 * `kafka.topic(name)`: a topic of a test broker without a client: what is in it, what comes next, and records put into it. No group, no offset of
 * anybody's changes by looking.
 */
import { LogError } from '../../base/errors.ts'
import { checkInteger, checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { type Isolation, type PartitionLog } from '../../log/partition-log.ts'
import { type HeadersInput } from '../../log/record-input.ts'
import { bytes } from '../../topics/codecs.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { type LogCore } from '../../topics/log-core.ts'
import { partitionOfKey } from '../../topics/partitioner.ts'
import { type TopicCore } from '../../topics/topic-core.ts'
import { type Duration, durationMs } from '../clock/durations.ts'
import { type Changes } from './changes.ts'
import { checkAppend, type EncodedRecord } from './check-append.ts'
import { TestRecord } from './test-record.ts'

/** What hands of a test broker work with. */
export interface HandsWorld {
  readonly changes: Changes
  /** Real ms that is waited for something, where nobody says otherwise. */
  readonly timeoutMs: number
  /** The log as it is now: another one after a restore. */
  core(): LogCore
  /** Whether a client fetches a partition, since the members of a group know what they have. */
  isFetched(topic: string, partition: number, by: { readonly groupId: string; readonly clientId: string }): boolean
}

/** A key or value: text, bytes, what is written as JSON, or null. */
export type TestValue = string | Uint8Array | object | number | boolean | null

/** A record to append. */
export interface TestRecordInput {
  /** Text and bytes as they are; anything else as JSON. Default: none. */
  readonly key?: TestValue
  /** As the key; null is a tombstone. */
  readonly value: TestValue
  readonly headers?: HeadersInput
  /** Ms since 1970. Default: the time of the broker. */
  readonly timestamp?: number
  /** Default: that of the key, as Kafka's clients choose; without a key one after the other. */
  readonly partition?: number
}

/** Where a record is. */
export interface RecordPlace {
  readonly partition: number
  readonly offset: number
}

/** Which records to look at. */
export interface LookOptions {
  /** Default: all. */
  readonly partition?: number
  /** Offset to begin at; records that are not there any more are left out. Default 0. */
  readonly from?: number
  /** Default `read_committed`: nothing of transactions that are open or were aborted. */
  readonly isolation?: Isolation
}

/** How long to wait. */
export interface WaitFor {
  /** Of real time. Default: that of the broker, 4 seconds. */
  readonly timeout?: Duration
  /** Ends the wait, with its reason. */
  readonly signal?: AbortSignal
}

/** Names of what waits may be told. */
export const waitNames = ['timeout', 'signal']

const codecs = { key: bytes, value: bytes }
const recordNames = ['key', 'value', 'headers', 'timestamp', 'partition']

/** A topic of a test broker. */
export class TopicHands {
  readonly name: string
  readonly #world: HandsWorld
  /** Where `next` goes on, by partition; of one topic, and not of another one of the same name. */
  #next = new Map<number, number>()
  #nextOf: LogCore | undefined
  #round = 0

  /** @internal */
  constructor(name: string, world: HandsWorld) {
    this.name = name
    this.#world = world
  }

  /** Whether there is such a topic. */
  get exists(): boolean {
    return this.#find() !== undefined
  }

  /** How many partitions it has. Throws LogError `LOG_NOT_FOUND` when there is no such topic. */
  get partitions(): number {
    return this.#topic.logs.length
  }

  /** By partition: the oldest offset that is kept, and the one that the next record gets. */
  get offsets(): readonly { readonly start: number; readonly end: number }[] {
    return this.#logs.map(({ startOffset, nextOffset }) => ({ start: startOffset, end: nextOffset }))
  }

  /**
   * Appends a record, or several, and tells where they are: at once, and clients see them. When one of several cannot be appended, none is.
   *
   * @throws LogError `LOG_NOT_FOUND` when there is no such topic, `LOG_RECORD_TOO_LARGE`, `LOG_RECORD_INVALID`; RangeError for a partition that there
   *   is not
   */
  append(record: TestRecordInput): RecordPlace
  append(records: readonly TestRecordInput[]): RecordPlace[]
  append(input: TestRecordInput | readonly TestRecordInput[]): RecordPlace | RecordPlace[] {
    const appended = this.#checked(Array.isArray(input) ? input as readonly TestRecordInput[] : [input as TestRecordInput])
      .map(({ log, record }) => ({ partition: log.partition, offset: log.append(codecs, record) }))
    this.#world.changes.tell()
    return Array.isArray(input) ? appended : appended[0]!
  }

  /** The records that are there, partition by partition. */
  records(options: LookOptions = {}): TestRecord[] {
    checkOptions(options, ['partition', 'from', 'isolation'], 'records')
    const { partition, from = 0, isolation } = options
    checkInteger(partition, 'partition', 0, this.partitions - 1)
    checkInteger(from, 'from', 0)
    checkOneOf(isolation, 'isolation', ['read_committed', 'read_uncommitted'])
    return this.#logs.filter((log) => partition === undefined || log.partition === partition).flatMap((log) => (
      recordsOf(log, this.#world.core(), { from, isolation })
    ))
  }

  /** The next record that none of these calls gave yet: from the first one there is on, in the order of each partition. */
  next(options: WaitFor = {}): Promise<TestRecord> {
    checkOptions(options, waitNames, 'next')
    return this.#until(() => this.#take(), options, () => `no other record came to topic "${this.name}"`)
  }

  /** The records that are there and that `next` has not given yet; none where there is no topic. */
  untaken(): TestRecord[] {
    const core = this.#world.core()
    const next = this.#nextOf === core ? this.#next : undefined
    return this.#find() === undefined ? [] : this.#logs.flatMap((log) => recordsOf(log, core, { from: next?.get(log.partition) ?? 0 }))
  }

  /** The first record, of those that are there and those that come, that `test` says true of. */
  waitFor(test: (record: TestRecord) => boolean, options: WaitFor = {}): Promise<TestRecord> {
    checkOptions(options, waitNames, 'waitFor')
    const seen = new Map<number, number>()
    let looked: LogCore | undefined
    let count = 0
    return this.#until(() => {
      if (looked !== this.#world.core()) seen.clear()
      looked = this.#world.core()
      for (const log of this.#find()?.logs ?? []) {
        if (log === undefined) continue
        for (const record of recordsOf(log, looked, { from: seen.get(log.partition) ?? 0 })) {
          seen.set(log.partition, record.offset + 1)
          count++
          if (test(record)) return record
        }
      }
      return undefined
    }, options, () => `none of ${count} records of topic "${this.name}" is the one that was waited for`)
  }

  /** What a group has committed for each partition: the offset of the record that it goes on with. Undefined where it committed nothing. */
  async committed(group: string): Promise<readonly (number | undefined)[]> {
    const groups = await this.#world.core().groups()
    return this.#logs.map(({ partition }) => groups.offsets.get(group, this.name, partition)?.offset)
  }

  /** Records that a group has before it, of all partitions; control records do not count. */
  async lag(group: string): Promise<number> {
    const groups = await this.#world.core().groups()
    return this.#logs.reduce((sum, log) => sum + lagOf(log, groups, group), 0)
  }

  /** Compacts the topic now: of each key the last record stays. */
  async compactNow(): Promise<void> {
    for (const log of this.#logs) {
      await log.roll()
      await log.clean()
    }
    this.#world.changes.tell()
  }

  /** Deletes what the topic's retention asks for now. */
  async retainNow(): Promise<void> {
    for (const log of this.#logs) await log.applyRetention(this.#world.core().env.clock.now())
    this.#world.changes.tell()
  }

  /** Deletes the records of a partition below an offset. */
  async deleteRecords(partition: number, before: number): Promise<void> {
    await this.#log(partition).deleteRecords(before)
    this.#world.changes.tell()
  }

  get #topic(): TopicCore {
    const found = this.#find()
    if (found !== undefined) return found
    const message = `there is no topic "${this.name}": give it to startTestBroker({ topics }), or await createTopic("${this.name}")`
    throw new LogError('LOG_NOT_FOUND', message, { topic: this.name })
  }

  get #logs(): readonly PartitionLog[] {
    return this.#topic.logs.filter((log) => log !== undefined)
  }

  #find(): TopicCore | undefined {
    return this.#world.core().openTopics.find(({ entry }) => entry.name === this.name)
  }

  #log(partition: number): PartitionLog {
    const log = this.#topic.logs[partition]
    if (log === undefined) throw new RangeError(`there is no partition ${partition}: topic "${this.name}" has ${this.partitions}`)
    return log
  }

  /** Records with their partitions, all of which will be taken. */
  #checked(inputs: readonly TestRecordInput[]): { readonly log: PartitionLog; readonly record: EncodedRecord }[] {
    const { config } = this.#topic
    const now = this.#world.core().env.clock.now()
    const round = this.#round
    try {
      return inputs.map((input) => {
        const record = encodedRecord(input, now)
        const log = this.#log(input.partition ?? this.#choose(record.key ?? null))
        checkAppend(log, config, record, now)
        return { log, record }
      })
    } catch (error) {
      this.#round = round
      throw error
    }
  }

  #choose(key: Uint8Array | null): number {
    const { partitions } = this
    return key === null ? this.#round++ % partitions : partitionOfKey(bytes, key, partitions)
  }

  #take(): TestRecord | undefined {
    const core = this.#world.core()
    if (this.#nextOf !== core) this.#next = new Map()
    this.#nextOf = core
    for (const log of this.#find()?.logs ?? []) {
      if (log === undefined) continue
      const from = Math.max(log.startOffset, this.#next.get(log.partition) ?? 0)
      const [record] = recordsOf(log, core, { from, most: 1 })
      if (record === undefined) continue
      this.#next.set(log.partition, record.offset + 1)
      return record
    }
    return undefined
  }

  #until<T>(look: () => T | undefined, { timeout, signal }: WaitFor, missing: () => string): Promise<T> {
    const { changes, timeoutMs } = this.#world
    return changes.until(look, { timeoutMs: timeout === undefined ? timeoutMs : durationMs(timeout, 'timeout'), missing, signal })
  }
}

/** Records that a group has before it in a partition. */
export function lagOf(log: PartitionLog, groups: GroupCoordinator, group: string): number {
  const committed = groups.offsets.valid(group, log)?.offset ?? log.startOffset
  if (committed >= log.highWatermark) return 0
  let count = 0
  for (const { offset } of log.read(codecs, { from: Math.max(committed, log.startOffset) })) if (offset >= committed) count++
  return count
}

interface RecordsWanted {
  readonly from: number
  readonly isolation?: Isolation | undefined
  readonly most?: number
}

function recordsOf(log: PartitionLog, core: LogCore, { from, isolation, most = Infinity }: RecordsWanted): TestRecord[] {
  const start = Math.max(from, log.startOffset)
  if (start >= log.nextOffset) return []
  // What was appended just now shows too, unless it may be of a transaction that is open.
  const upTo = !core.hasTransactions || isolation === 'read_uncommitted' ? 'appended' : 'watermark'
  const found: TestRecord[] = []
  for (const record of log.read(codecs, { from: start, upTo, ...(isolation !== undefined && { isolation }) })) {
    if (found.length >= most) break
    found.push(new TestRecord(record))
  }
  return found
}

function encodedRecord(input: TestRecordInput, now: number): EncodedRecord {
  const given: Partial<TestRecordInput> | null | undefined = input
  if (given === null || typeof given !== 'object' || given.value === undefined) {
    throw new TypeError(`a record is { key, value, headers, timestamp, partition } with a value, or null for a tombstone, not ${describe(input)}`)
  }
  checkOptions(input, recordNames, 'a record')
  const { key = null, value, headers, timestamp = now } = input
  return { key: encoded(key), value: encoded(value), timestamp, ...(headers !== undefined && { headers }) }
}

function encoded(value: TestValue): Buffer | Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}
