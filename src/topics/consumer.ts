/*
 * Reads partitions of a topic as they grow: an asynchronous iterator over records, or over the batches they are stored in, with a position
 * per partition that belongs to this consumer alone. Members of groups, with committed positions, are groups/group-consumer.ts. The reading
 * itself is in reading.ts.
 *
 * Asking for the next record marks the one before as done: `position` moves past it. Whoever leaves the loop has not asked, so a later
 * loop begins with the record that was in hand.
 */
import { type InspectOptions } from 'node:util'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { checkBoolean, checkInteger, checkOneOf, checkOptions, checkSignal, describe } from '../base/options.ts'
import { type Isolation } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type PortableConsumer } from './contract.ts'
import { Life } from './life.ts'
import { Loop, type Loops, type RecordIterator } from './loop.ts'
import { isolations } from './partition.ts'
import { Assigned, Reading } from './reading.ts'
import { checkStartPosition, resolveInRange, type StartPosition } from './start-position.ts'
import { logOf, presentLogs, type TopicParts } from './topic-core.ts'

/** What a consumer may be told. */
export interface ConsumerOptions {
  // What it reads
  /** Where to begin: the same for all partitions, or one for each by number (those not named begin with the earliest). Default `'earliest'`. */
  readonly from?: StartPosition | ReadonlyMap<number, StartPosition>
  /** Numbers of the partitions to read. Default: all that there are now. */
  readonly partitions?: readonly number[]
  /** Default `'read_committed'`. */
  readonly isolation?: Isolation
  // When it ends
  /** `'end'` ends a loop at the end as it stood when the loop began. Default: it waits for more. */
  readonly until?: 'end'
  /** Ends a loop: it throws the signal's reason. */
  readonly signal?: AbortSignal
  /** Whether waiting for records keeps the process alive. Default true. */
  readonly ref?: boolean
}

/** Reads partitions of one topic. */
export class Consumer<K, V> implements PortableConsumer<K, V> {
  /** The name of the topic. */
  readonly topic: string
  readonly #life: Life
  readonly #reading: Reading<K, V>
  readonly #isolation: Isolation
  readonly #untilEnd: boolean
  readonly #signal: AbortSignal | undefined
  #loop: object | undefined

  /** @internal */
  constructor(parts: TopicParts<K, V>, options: ConsumerOptions = {}) {
    const { name } = parts.core.entry
    checkConsumerOptions(options, `a consumer of topic "${name}"`)
    const { from = 'earliest', partitions, isolation = 'read_committed', until, signal, ref = true } = options
    this.topic = name
    this.#life = new Life(`the consumer of topic "${name}"`, parts.life)
    this.#isolation = isolation
    this.#untilEnd = until === 'end'
    this.#signal = signal
    if (from instanceof Map) for (const number of (from as ReadonlyMap<number, StartPosition>).keys()) logOf(parts.core, number)
    const numbers = partitions ?? presentLogs(parts.core).map((log) => log.partition)
    const assigned = [...new Set(numbers)].map((number) => {
      const log = logOf(parts.core, number)
      const start = from instanceof Map ? ((from as ReadonlyMap<number, StartPosition>).get(number) ?? 'earliest') : (from as StartPosition)
      return new Assigned<K, V>(log, resolveInRange(log, start, isolation))
    })
    this.#reading = new Reading(assigned, { codecs: parts.codecs, isolation, clock: parts.clock, life: this.#life, signal, ref })
  }

  /** Numbers of the partitions that it reads. */
  get assignment(): readonly number[] {
    return this.#reading.assigned.map(({ log }) => log.partition)
  }

  /** Offset of the next record of a partition that is not done: where a loop would begin. */
  position(partition: number): number {
    return this.#find(partition, 'position(partition)').position
  }

  /**
   * Goes on reading a partition somewhere else. What is in hand of it is then neither marked as done nor handed out again.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`
   */
  seek(partition: number, to: StartPosition): void {
    this.#life.check()
    const assigned = this.#find(partition, 'seek(partition, position)')
    checkStartPosition(to, 'the position to seek')
    this.#reading.moveTo(assigned, resolveInRange(assigned.log, to, this.#isolation))
    this.#reading.wake()
  }

  /** Hands out no more records of these partitions, of all when none is named, until they are resumed. */
  pause(...partitions: readonly number[]): void {
    for (const assigned of this.#chosen(partitions, 'pause(0, 1)')) assigned.paused = true
  }

  /** Hands out records of these partitions again, of all when none is named. */
  resume(...partitions: readonly number[]): void {
    for (const assigned of this.#chosen(partitions, 'resume(0, 1)')) assigned.paused = false
    this.#reading.wake()
  }

  /**
   * Iterates over the records. One loop at a time.
   *
   * @throws LogError `LOG_CLOSED`, `LOG_OFFSET_OUT_OF_RANGE` when its place was truncated or deleted, `LOG_CORRUPT`; the signal's reason
   */
  [Symbol.asyncIterator](): RecordIterator<LogRecord<K, V>> {
    const reading = this.#reading
    return new Loop(this.#loops, () => reading.takeRecord(), reading)
  }

  /** Iterates over arrays of records as they are stored together: the fastest way to read. Asking for the next array marks this one as done. */
  batches(): RecordIterator<LogRecord<K, V>[]> {
    const reading = this.#reading
    return new Loop(this.#loops, () => reading.takeBatch(), reading)
  }

  /** Ends the consumer; a loop that runs ends with it. */
  async close(): Promise<void> {
    this.#life.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const positions = (): Map<number, number> => new Map(this.#reading.assigned.map(({ log, position }) => [log.partition, position]))
    return inspected('Consumer', () => ({ topic: this.topic, positions: positions() }), depth, options, inspect)
  }

  /** Who may loop. */
  readonly #loops: Loops = {
    begin: (loop) => {
      this.#life.check()
      if (this.#loop !== undefined) throw new TypeError('another loop over this consumer runs: leave it first, or make a consumer for each')
      this.#loop = loop
      this.#reading.begin(this.#untilEnd)
    },
    end: (loop) => {
      if (this.#loop !== loop) return
      this.#loop = undefined
      this.#reading.end()
    },
    alive: () => {
      this.#signal?.throwIfAborted()
      return this.#life.alive
    },
  }

  /** The partition of a number; `form` shows how one calls what asks. */
  #find(partition: number, form: string): Assigned<K, V> {
    if (typeof partition !== 'number') throw new TypeError(`a partition is named by its number: ${form}, not ${describe(partition)}`)
    const assigned = this.#reading.assigned.find(({ log }) => log.partition === partition)
    if (assigned !== undefined) return assigned
    throw new RangeError(`this consumer does not read partition ${partition} of topic "${this.topic}": it reads ${this.assignment.join(', ')}`)
  }

  #chosen(partitions: readonly number[], form: string): readonly Assigned<K, V>[] {
    return partitions.length === 0 ? this.#reading.assigned : partitions.map((partition) => this.#find(partition, form))
  }
}

/** Throws a TypeError or RangeError for what a consumer cannot be told. */
export function checkConsumerOptions(options: ConsumerOptions, where: string): void {
  // With a group it would not be here; "groupId" is told what it is called.
  checkOptions(options, ['from', 'partitions', 'isolation', 'until', 'signal', 'ref', 'group'], where)
  if ('group' in options) throw new TypeError(`group of ${where} is a name, not ${describe(options.group)}`)
  const { from, partitions, isolation, until, signal, ref } = options
  if (from instanceof Map) for (const [partition, start] of from as ReadonlyMap<number, unknown>) checkStart(partition, start)
  else if (isByNumber(from)) throw new TypeError('from is a Map where partitions have positions of their own: new Map([[0, 5]])')
  else if (from !== undefined) checkStartPosition(from, 'from')
  if (partitions !== undefined && !Array.isArray(partitions)) throw new TypeError(`partitions is an array of numbers, not ${describe(partitions)}`)
  for (const partition of partitions ?? []) checkInteger(partition ?? null, 'a number in partitions', 0)
  if (partitions?.length === 0) throw new RangeError('partitions names at least one partition')
  checkOneOf(isolation, 'isolation', isolations)
  checkOneOf(until, 'until', ['end'])
  checkSignal(signal)
  checkBoolean(ref, 'ref')
}

/** A Map was meant. */
function isByNumber(from: unknown): boolean {
  if (typeof from !== 'object' || from === null) return false
  const names = Object.keys(from)
  return names.length > 0 && names.every((name) => /^\d+$/.test(name))
}

function checkStart(partition: unknown, start: unknown): void {
  checkInteger(partition ?? null, 'a partition in from', 0)
  checkStartPosition(start, `from of partition ${String(partition)}`)
}
