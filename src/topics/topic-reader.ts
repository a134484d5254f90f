/*
 * A consumer with positions of its own, wherever the partitions are: its verbs, and one loop at a time. How its options are read, where a
 * position in words is, and what must be known before a loop is told by consumer.ts for a log in this process, and by
 * cluster/cluster-consumer.ts for a cluster.
 */
import { type InspectOptions } from 'node:util'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { describe } from '../base/options.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type ConsumerOptions } from './consumer.ts'
import { type PortableConsumer } from './contract.ts'
import { type Life } from './life.ts'
import { Loop, type Loops, type RecordIterator } from './loop.ts'
import { type Assigned, type Reading } from './reading.ts'
import { checkStartPosition, type StartPosition } from './start-position.ts'

/** Reads partitions of one topic. */
export abstract class TopicReader<K, V> implements PortableConsumer<K, V> {
  /** The name of the topic. */
  readonly topic: string
  /** @internal */
  protected readonly life: Life
  /** @internal */
  protected readonly reading: Reading<K, V>
  readonly #untilEnd: boolean
  readonly #signal: AbortSignal | undefined
  #loop: object | undefined

  /** @internal */
  constructor(topic: string, life: Life, reading: Reading<K, V>, { until, signal }: Pick<ConsumerOptions, 'until' | 'signal'>) {
    this.topic = topic
    this.life = life
    this.reading = reading
    this.#untilEnd = until === 'end'
    this.#signal = signal
  }

  /** Numbers of the partitions that it reads. */
  get assignment(): readonly number[] {
    return this.reading.assigned.map(({ log }) => log.partition)
  }

  /** Offset of the next record of a partition that is not done: where a loop would begin. */
  position(partition: number): number {
    return this.#find(partition, 'position(partition)').position
  }

  /**
   * Goes on reading a partition somewhere else. What is in hand of it is then neither marked as done nor handed out again.
   *
   * @throws LogError `LOG_OFFSET_OUT_OF_RANGE`, of a cluster when it is read
   */
  seek(partition: number, to: StartPosition): void {
    this.life.check()
    const assigned = this.#find(partition, 'seek(partition, position)')
    checkStartPosition(to, 'the position to seek')
    this.reading.moveTo(assigned, this.placeOf(assigned.log, to))
    this.reading.wake()
  }

  /** Hands out no more records of these partitions, of all when none is named, until they are resumed. */
  pause(...partitions: readonly number[]): void {
    for (const assigned of this.#chosen(partitions, 'pause(0, 1)')) assigned.paused = true
  }

  /** Hands out records of these partitions again, of all when none is named. */
  resume(...partitions: readonly number[]): void {
    for (const assigned of this.#chosen(partitions, 'resume(0, 1)')) assigned.paused = false
    this.reading.wake()
  }

  /**
   * Iterates over the records. One loop at a time.
   *
   * @throws LogError `LOG_CLOSED`, `LOG_OFFSET_OUT_OF_RANGE` when its place is not, or not any more, in the partition; `LOG_CORRUPT`; of a
   *   cluster `LOG_NOT_FOUND`, `LOG_NOT_AUTHORIZED`; the signal's reason
   */
  [Symbol.asyncIterator](): RecordIterator<LogRecord<K, V>> {
    const { reading } = this
    return new Loop(this.#loops, () => reading.takeRecord(), reading)
  }

  /** Iterates over arrays of records as they are stored together: the fastest way to read. Asking for the next array marks this one as done. */
  batches(): RecordIterator<LogRecord<K, V>[]> {
    const { reading } = this
    return new Loop(this.#loops, () => reading.takeBatch(), reading)
  }

  /** Ends the consumer; a loop that runs ends with it. */
  async close(): Promise<void> {
    this.life.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    const positions = (): Map<number, number> => new Map(this.reading.assigned.map(({ log, position }) => [log.partition, position]))
    return inspected('Consumer', () => ({ topic: this.topic, positions: positions() }), depth, options, inspect)
  }

  /** @internal Where a position is; a promise where somebody has to be asked. */
  protected abstract placeOf(log: PartitionLog, to: StartPosition): number | Promise<number>

  /** @internal What must be known before a loop begins; nothing where it always is. */
  protected prepare(): Promise<void> | undefined {
    return undefined
  }

  /** Who may loop. */
  readonly #loops: Loops = {
    begin: (loop) => {
      this.life.check()
      if (this.#loop !== undefined) throw new TypeError('another loop over this consumer runs: leave it first, or make a consumer for each')
      this.#loop = loop
      const begin = (): void => this.reading.begin(this.#untilEnd)
      const preparing = this.prepare()
      return preparing === undefined ? begin() : preparing.then(begin)
    },
    end: (loop) => {
      if (this.#loop !== loop) return
      this.#loop = undefined
      this.reading.end()
    },
    alive: () => {
      this.#signal?.throwIfAborted()
      return this.life.alive
    },
  }

  /** The partition of a number; `form` shows how one calls what asks. */
  #find(partition: number, form: string): Assigned<K, V> {
    if (typeof partition !== 'number') throw new TypeError(`a partition is named by its number: ${form}, not ${describe(partition)}`)
    const assigned = this.reading.assigned.find(({ log }) => log.partition === partition)
    if (assigned !== undefined) return assigned
    throw new RangeError(`this consumer does not read partition ${partition} of topic "${this.topic}": it reads ${this.assignment.join(', ')}`)
  }

  #chosen(partitions: readonly number[], form: string): readonly Assigned<K, V>[] {
    return partitions.length === 0 ? this.reading.assigned : partitions.map((partition) => this.#find(partition, form))
  }
}
