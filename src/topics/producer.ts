/*
 * Sends records to a topic: chooses partitions, appends, waits until they are durable. Batching is not done here: what several producers
 * append to a partition at about the same time shares its batches and its syncs (log/writer.ts).
 *
 * When too many bytes wait for the disk, sends wait for room in the order in which they came (send-queue.ts), their records encoded as they
 * were when they were sent (held-record.ts).
 */
import { type InspectOptions } from 'node:util'
import { isLogError, LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { onAbort } from '../base/on-abort.ts'
import { checkFunction, checkOptions } from '../base/options.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs, type RecordInput } from '../log/record-input.ts'
import { signalOf, unlessAborted, waiting, type WaitOptions } from './abort.ts'
import { bytes } from './codecs.ts'
import { type PortableProducer } from './contract.ts'
import { appendsWatched, tellAppend } from './diagnostics.ts'
import { encodedCodecs, type HeldRecord, heldSize, holdRecord } from './held-record.ts'
import { eventTopicError } from './event-topics.ts'
import { internalTopicError, isInternalTopic } from './internal-topics.ts'
import { Life } from './life.ts'
import { refuseRecord } from './partition.ts'
import { PartitionChooser, type Partitioner } from './partitioner.ts'
import { checkLingerMs } from './settings.ts'
import { logOf, presentLogs, type TopicParts } from './topic-core.ts'

/** A record to send: one to append, and the partition if it is not to be chosen. */
export interface SendRecord<K, V> extends RecordInput<K, V> {
  /** Default: what the producer's partitioner chooses. */
  readonly partition?: number
}

/** Where a record went. */
export interface SendResult {
  readonly partition: number
  readonly offset: number
  /** The record's own, or the time of the append where the topic has it so. Ms since 1970. */
  readonly timestamp: number
}

/** What a producer may be told. */
export interface ProducerOptions<K, V> {
  /** Chooses the partition of records that name none. Default: by the key's hash, as every Kafka client does; without a key any, for a while. */
  readonly partitioner?: Partitioner<K, V>
  /**
   * Milliseconds that a record may wait for company before it is written; a full batch does not wait, nor does anything once `flush` or
   * `close` is called. Default: the topic's `lingerMs`. Batches are shared: a record of somebody who waits less takes this one along.
   */
  readonly lingerMs?: number
}

/** A size for values of which nothing is known before they are encoded. */
const USUAL_VALUE_BYTES = 128

/** Sends records to one topic. */
export class Producer<K, V> implements PortableProducer<K, V> {
  private readonly parts: TopicParts<K, V>
  private readonly life: Life
  private readonly chooser: PartitionChooser<K, V>
  /** Records keep the time they are given here; else the log stamps them. */
  private readonly timesKnown: boolean
  private readonly ownLingerMs: number | undefined
  /** As it is asked for, but 0 while somebody waits for everything to be settled. */
  private lingerMs: number | undefined
  /** Sends that are not settled, and who waits for there to be none. */
  private underWay = 0
  private idle: (() => void)[] = []

  /** @internal */
  constructor(parts: TopicParts<K, V>, options: ProducerOptions<K, V> = {}) {
    const { core, codecs, random, life } = parts
    const where = `a producer of topic "${core.entry.name}"`
    if (isInternalTopic(core.entry.name)) throw internalTopicError(core.entry.name)
    if (core.entry.events === true) throw eventTopicError(core.entry.name)
    checkOptions(options, ['partitioner', 'lingerMs'], where)
    checkFunction(options.partitioner, `partitioner of ${where}`)
    checkLingerMs(options.lingerMs, `lingerMs of ${where}`)
    this.parts = parts
    this.life = new Life(`the producer of topic "${core.entry.name}"`, life)
    this.chooser = new PartitionChooser(codecs.key, { custom: options.partitioner, random, batchSize: core.config.batchSize })
    this.timesKnown = core.config.messageTimestampType === 'CreateTime'
    this.ownLingerMs = options.lingerMs
    this.lingerMs = options.lingerMs
  }

  /** The name of the topic. */
  get topic(): string {
    return this.parts.core.entry.name
  }

  /**
   * Appends a record and resolves when it is durable.
   *
   * The record is copied before `send` returns, also when it must wait for room (`bufferBytes`).
   *
   * @throws LogError `LOG_BUFFER_FULL` when too many sends, or too many bytes of them, wait already, `LOG_DISK_FULL`, `LOG_FENCED`,
   *   `LOG_APPEND_LOST`, `LOG_RECORD_TOO_LARGE`, `LOG_RECORD_INVALID`, `LOG_READ_ONLY`, `LOG_CLOSED`
   * @throws TypeError for keys and values that the topic's codecs do not take; RangeError for a partition that is not there
   */
  send(record: SendRecord<K, V>, options?: WaitOptions): Promise<SendResult>
  /**
   * Appends records in their order and resolves when all are durable, with a result for each, in their order.
   *
   * @throws LogError `LOG_SEND_FAILED` when some were not stored: `detail.results` has a result or an error for each, in order; it is
   *   `retriable` when all those errors are
   */
  send(records: readonly SendRecord<K, V>[], options?: WaitOptions): Promise<SendResult[]>
  send(input: SendRecord<K, V> | readonly SendRecord<K, V>[], options?: WaitOptions): Promise<SendResult | SendResult[]> {
    return this.submit(input, options)
  }

  /** @internal Both forms of `send`. */
  async submit(input: SendRecord<K, V> | readonly SendRecord<K, V>[], options?: WaitOptions): Promise<SendResult | SendResult[]> {
    this.life.check()
    const signal = options === undefined ? undefined : signalOf(options, 'send')
    this.underWay++
    try {
      return Array.isArray(input) ? await this.sendAll(input, signal) : await this.sendOne(input as SendRecord<K, V>, signal)
    } finally {
      if (--this.underWay === 0) this.tellIdle()
    }
  }

  /** Resolves when everything that this producer was given so far is settled and all its partitions are synced, whatever the durability. */
  async flush(options?: WaitOptions): Promise<void> {
    this.life.check()
    await waiting(options, 'flush', async () => {
      await this.settled()
      await Promise.all(presentLogs(this.parts.core).map((log) => log.flush()))
    })
  }

  /** Waits for the sends under way, and takes no more. */
  async close(): Promise<void> {
    this.life.end()
    await this.settled()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    return inspected('Producer', () => ({ topic: this.topic }), depth, options, inspect)
  }

  private async sendOne(record: SendRecord<K, V>, signal: AbortSignal | undefined): Promise<SendResult> {
    const placed = (this.parts.sends.size === 0 ? this.place(record, undefined) : undefined) ?? (await this.placeLater(record, signal))
    const { log, offset, timestamp } = placed
    await unlessAborted(log.durable(offset), signal)
    return { partition: log.partition, offset, timestamp: this.timesKnown ? timestamp : (timeOf(log, offset) ?? -1) }
  }

  private async sendAll(records: readonly SendRecord<K, V>[], signal: AbortSignal | undefined): Promise<SendResult[]> {
    const many = new ManyRecords()
    const now = this.parts.clock.now()
    if (this.parts.sends.size > 0 || !many.append(records, (record) => this.place(record, now))) {
      const rest = records.map((record, index) => (index < many.count ? undefined : this.holdOrRefuse(record, now)))
      const size = rest.reduce((sum, held) => sum + (held === undefined || 'error' in held ? 0 : heldSize(held)), 0)
      await this.inTurn(() => many.append(rest, (held) => this.placeHeld(held!)), size, signal)
    }
    await unlessAborted(many.settled(), signal)
    return many.results(this.timesKnown)
  }

  /** Appends a record. Undefined when there is no room for it now. */
  private place(record: SendRecord<K, V>, now: number | undefined): Placed | undefined {
    if (record === null || typeof record !== 'object' || record.value === undefined) refuseRecord(record, true)
    const { core, codecs } = this.parts
    const log = logOf(core, record.partition ?? this.chooser.choose(record, core.logs.length))
    const timestamp = record.timestamp ?? now ?? this.parts.clock.now()
    return this.append(log, codecs, record.timestamp === undefined ? stamped(record, timestamp) : record, timestamp)
  }

  /** Appends a record as it is. Undefined when there is no room for it now. */
  private append<A, B>(log: PartitionLog, codecs: RecordCodecs<A, B>, record: RecordInput<A, B>, timestamp: number): Placed | undefined {
    try {
      const offset = log.append(codecs, record, this.lingerMs)
      if (record.key === undefined || record.key === null) this.chooser.took(roughSize(record.value))
      if (appendsWatched()) tellAppend({ log: this.parts.folder, topic: log.topic, partition: log.partition, offset })
      return { log, offset, timestamp }
    } catch (error) {
      if (isLogError(error, 'LOG_BUFFER_FULL')) return undefined
      throw error
    }
  }

  /** Keeps a record as it is now, for later. */
  private hold(record: SendRecord<K, V>, now: number): HeldRecord {
    if (record === null || typeof record !== 'object' || record.value === undefined) refuseRecord(record, true)
    const { core, codecs } = this.parts
    const partition = record.partition ?? this.chooser.choose(record, core.logs.length)
    logOf(core, partition)
    return holdRecord(codecs, record, { partition, timestamp: record.timestamp ?? now })
  }

  private holdOrRefuse(record: SendRecord<K, V>, now: number): HeldRecord | Refused {
    try {
      return this.hold(record, now)
    } catch (error) {
      return { error }
    }
  }

  private placeHeld(held: HeldRecord | Refused): Placed | undefined {
    if ('error' in held) throw held.error
    return this.append(logOf(this.parts.core, held.partition), encodedCodecs, held, held.timestamp)
  }

  private placeLater(record: SendRecord<K, V>, signal: AbortSignal | undefined): Promise<Placed> {
    const held = this.hold(record, this.parts.clock.now())
    let placed: Placed | undefined
    return this.inTurn(() => (placed = this.placeHeld(held)) !== undefined, heldSize(held), signal).then(() => placed!)
  }

  /** Runs `step` when it is this send's turn, until it is done; meanwhile it holds `size` bytes. Rejects with what it throws. */
  private inTurn(step: () => boolean, size: number, signal: AbortSignal | undefined): Promise<void> {
    return new Promise((resolve, reject) => {
      let leave: (() => void) | undefined
      let unlisten: (() => void) | undefined
      const aborted = (): void => {
        leave?.()
        reject(signal!.reason)
      }
      const end = (settle: () => void): void => {
        unlisten?.()
        settle()
      }
      const tried = (): boolean => {
        try {
          this.life.check()
          if (!step()) return false
          end(resolve)
        } catch (error) {
          end(() => reject(error))
        }
        return true
      }
      leave = this.parts.sends.run(tried, size, (error) => end(() => reject(error)))
      if (leave !== undefined && signal !== undefined) unlisten = onAbort(signal, aborted)
    })
  }

  /** Waits until no send is under way; none of them lingers any longer. */
  private async settled(): Promise<void> {
    if (this.underWay === 0) return
    this.lingerMs = 0
    for (const log of presentLogs(this.parts.core)) log.hurry()
    await new Promise<void>((resolve) => this.idle.push(resolve))
  }

  private tellIdle(): void {
    const { idle } = this
    if (idle.length === 0) return
    this.idle = []
    this.lingerMs = this.ownLingerMs
    for (const resolve of idle) resolve()
  }
}

/** A record that was appended. */
interface Placed {
  readonly log: PartitionLog
  readonly offset: number
  readonly timestamp: number
}

/** A record that was not appended. */
interface Refused {
  readonly error: unknown
}

/** The records of one send, as they are appended and settled. */
class ManyRecords {
  /** For each record so far where it went, or why it did not. */
  readonly #outcomes: (Placed | Refused)[] = []
  /** The last record appended to each partition since somebody began to wait for it. */
  readonly #unwatched = new Map<PartitionLog, number>()
  readonly #waits: Promise<unknown>[] = []
  #failed = false
  #failure: unknown

  /** How many records were appended or refused. */
  get count(): number {
    return this.#outcomes.length
  }

  /**
   * Appends those of `records` that were not appended before, in order, as far as there is room; false when some are left. A record that is
   * refused does not keep those behind it back.
   */
  append<R>(records: readonly R[], place: (record: R) => Placed | undefined): boolean {
    while (this.#outcomes.length < records.length) {
      try {
        const placed = place(records[this.#outcomes.length]!)
        if (placed === undefined) break
        this.#unwatched.set(placed.log, placed.offset)
        this.#outcomes.push(placed)
      } catch (error) {
        this.#fail(error)
        this.#outcomes.push({ error })
      }
    }
    // Whatever is appended is waited for before anybody else gets a turn: a loss must be told here and not to the next who appends.
    this.#watch()
    return this.#outcomes.length === records.length
  }

  /** Resolves when it is known of each record whether it was stored. */
  async settled(): Promise<void> {
    await Promise.all(this.#waits)
  }

  /** Where each record went; throws LOG_SEND_FAILED when some went nowhere. */
  results(knownTimes: boolean): SendResult[] {
    const settled = this.#failed ? this.#outcomes.map((outcome) => this.#believed(outcome)) : (this.#outcomes as Placed[])
    const results = settled.map((outcome) => ('error' in outcome ? outcome : resultOf(outcome, knownTimes)))
    const failures = results.filter((result) => 'error' in result)
    if (failures.length === 0) return results as SendResult[]
    const told = results.map((result) => ('error' in result ? result.error : result))
    const message = `${failures.length} of ${results.length} records were not stored: ${reasonOf(failures[0]!.error)}`
    const retriable = failures.every(({ error }) => isLogError(error) && error.retriable)
    throw new LogError('LOG_SEND_FAILED', message, { results: told }, failures[0]!.error, retriable)
  }

  #watch(): void {
    for (const [log, offset] of this.#unwatched) this.#waits.push(log.durable(offset).catch((error: unknown) => this.#fail(error)))
    this.#unwatched.clear()
  }

  #fail(error: unknown): void {
    if (!this.#failed) this.#failure = error
    this.#failed = true
  }

  /** After a failure nothing is believed but what can be read. */
  #believed(outcome: Placed | Refused): Placed | Refused {
    return 'error' in outcome || isStored(outcome.log, outcome.offset) ? outcome : { error: this.#failure }
  }
}

/** A record with a time, where it has none. A class, so that all of them have one shape. */
class Stamped<K, V> {
  readonly key: K | null | undefined
  readonly value: V | null
  readonly headers: RecordInput<K, V>['headers'] | undefined
  readonly timestamp: number

  constructor(record: RecordInput<K, V>, timestamp: number) {
    this.key = record.key
    this.value = record.value
    this.headers = record.headers
    this.timestamp = timestamp
  }
}

/** A record with its time. */
export function stamped<K, V>(record: RecordInput<K, V>, timestamp: number): RecordInput<K, V> {
  return new Stamped(record, timestamp) as RecordInput<K, V>
}

function resultOf(placed: Placed, knownTime: boolean): SendResult {
  const { log, offset, timestamp } = placed
  return { partition: log.partition, offset, timestamp: knownTime ? timestamp : (timeOf(log, offset) ?? -1) }
}

function isStored(log: PartitionLog, offset: number): boolean {
  return timeOf(log, offset) !== undefined
}

/** The time of a stored record, which the log may have chosen; undefined when it is not there, or cannot be read just now. */
function timeOf(log: PartitionLog, offset: number): number | undefined {
  try {
    const cursor = log.read({ key: bytes, value: bytes }, { from: offset, to: offset + 1, isolation: 'read_uncommitted' })
    const record = cursor.take()
    const found = record?.offset === offset ? record.timestamp : undefined
    cursor.close()
    return found
  } catch {
    return undefined
  }
}

/** How many bytes a value may take, without encoding it. */
function roughSize(value: unknown): number {
  return typeof value === 'string' || value instanceof Uint8Array ? value.length : USUAL_VALUE_BYTES
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
