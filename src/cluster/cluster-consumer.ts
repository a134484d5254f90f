/*
 * Reads partitions of a cluster's topic as they grow, with positions of its own: to the cluster what topics/consumer.ts is to a log in this
 * process. Where it begins is asked of the cluster as soon as it is made; an offset that is not there is told when it is read.
 */
import { describe } from '../base/options.ts'
import { type Isolation } from '../log/partition-log.ts'
import { type LogRecord } from '../log/record.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { checkConsumerOptions, type ConsumerOptions } from '../topics/consumer.ts'
import { type PortableConsumer } from '../topics/contract.ts'
import { Life } from '../topics/life.ts'
import { Loop, type Loops, type RecordIterator } from '../topics/loop.ts'
import { Assigned, Reading } from '../topics/reading.ts'
import { checkStartPosition, outOfRange, type StartPosition } from '../topics/start-position.ts'
import { type Connected } from './connected.ts'
import { ReaderCore } from './reader-core.ts'
import { type RemotePartition } from './remote-partition.ts'
import { type SendTarget } from './send.ts'

/** A partition that is read. */
interface Mine<K, V> {
  readonly remote: RemotePartition
  readonly assigned: Assigned<K, V>
}

/** Reads partitions of one topic. */
export class ClusterConsumer<K, V> implements PortableConsumer<K, V> {
  /** The name of the topic. */
  readonly topic: string
  readonly #life: Life
  readonly #reader: ReaderCore
  readonly #reading: Reading<K, V>
  readonly #mine: readonly Mine<K, V>[]
  readonly #isolation: Isolation
  readonly #untilEnd: boolean
  readonly #signal: AbortSignal | undefined
  readonly #started: Promise<void>
  /** Those that begin where somebody said meanwhile. */
  readonly #sought = new Set<Assigned<K, V>>()
  #loop: object | undefined

  constructor(connected: Connected, target: SendTarget<K, V>, life: Life, options: ConsumerOptions = {}) {
    const { name, partitionCount, codecs } = target
    const where = `the consumer of topic "${name}"`
    checkConsumerOptions(options, where)
    const { from = 'earliest', partitions, isolation = 'read_committed', until, signal, ref = true } = options
    for (const number of [...(partitions ?? []), ...(from instanceof Map ? (from as ReadonlyMap<number, StartPosition>).keys() : [])]) {
      if (number >= partitionCount) throw new RangeError(`there is no partition ${number}: topic "${name}" has ${partitionCount}`)
    }
    this.topic = name
    this.#life = new Life(where, life)
    this.#isolation = isolation
    this.#untilEnd = until === 'end'
    this.#signal = signal
    this.#reader = new ReaderCore(connected, { isolation, group: undefined, from: 'earliest', signal })
    this.#reader.open(name, partitionCount, target.maxMessageBytes)
    this.#mine = minesOf<K, V>(this.#reader.partitionsOf(name), partitions)
    this.#reading = new Reading(this.#mine.map(({ assigned }) => assigned), {
      codecs: codecs as RecordCodecs<K, V>, isolation, clock: connected.options.clock, life: this.#life, signal, ref,
    })
    const startOf = (partition: number): StartPosition => (
      from instanceof Map ? ((from as ReadonlyMap<number, StartPosition>).get(partition) ?? 'earliest') : (from as StartPosition)
    )
    for (const { remote, assigned } of this.#mine) {
      const start = startOf(remote.partition)
      if (typeof start === 'number') assigned.position = start
    }
    this.#started = this.#start(startOf)
    // Told to the loop.
    this.#started.catch(() => {})
  }

  /** Numbers of the partitions that it reads. */
  get assignment(): readonly number[] {
    return this.#mine.map(({ remote }) => remote.partition)
  }

  /** Offset of the next record of a partition that is not done: where a loop would begin. */
  position(partition: number): number {
    return this.#find(partition, 'position(partition)').assigned.position
  }

  /** Goes on reading a partition somewhere else. What is in hand of it is then neither marked as done nor handed out again. */
  seek(partition: number, to: StartPosition): void {
    this.#life.check()
    const { remote, assigned } = this.#find(partition, 'seek(partition, position)')
    checkStartPosition(to, 'the position to seek')
    this.#sought.add(assigned)
    this.#reading.moveTo(assigned, typeof to === 'number' ? to : remote.startOffset)
    assigned.filling = undefined
    if (typeof to !== 'number') this.#moveLater(remote, assigned, to)
    this.#reading.wake()
  }

  /** Hands out no more records of these partitions, of all when none is named, until they are resumed. */
  pause(...partitions: readonly number[]): void {
    for (const { assigned } of this.#chosen(partitions, 'pause(0, 1)')) assigned.paused = true
  }

  /** Hands out records of these partitions again, of all when none is named. */
  resume(...partitions: readonly number[]): void {
    for (const { assigned } of this.#chosen(partitions, 'resume(0, 1)')) assigned.paused = false
    this.#reading.wake()
  }

  /**
   * Iterates over the records. One loop at a time.
   *
   * @throws LogError `LOG_CLOSED`, `LOG_OFFSET_OUT_OF_RANGE` when its place is not, or not any more, in the partition, `LOG_NOT_FOUND`,
   *   `LOG_NOT_AUTHORIZED`; the signal's reason
   */
  [Symbol.asyncIterator](): RecordIterator<LogRecord<K, V>> {
    const reading = this.#reading
    return new Loop(this.#loops, () => reading.takeRecord(), reading)
  }

  /** Iterates over arrays of records as they are stored together. Asking for the next array marks this one as done. */
  batches(): RecordIterator<LogRecord<K, V>[]> {
    const reading = this.#reading
    return new Loop(this.#loops, () => reading.takeBatch(), reading)
  }

  /** Ends the consumer; a loop that runs ends with it. */
  async close(): Promise<void> {
    this.#life.end()
    await this.#reader.close()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** Who may loop. */
  readonly #loops: Loops = {
    begin: (loop) => {
      this.#life.check()
      if (this.#loop !== undefined) throw new TypeError('another loop over this consumer runs: leave it first, or make a consumer for each')
      this.#loop = loop
      return this.#begin()
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

  async #begin(): Promise<void> {
    await this.#started
    await this.#reader.learnEnds()
    for (const { remote, assigned } of this.#mine) {
      const { position, filling } = assigned
      const isThere = position >= remote.startOffset && position <= remote.highWatermark
      if (filling === undefined && !isThere) throw outOfRange(remote.asLog, position)
    }
    this.#reading.begin(this.#untilEnd)
  }

  /** Where partitions begin that no offset was given for. */
  async #start(startOf: (partition: number) => StartPosition): Promise<void> {
    await this.#reader.learnEnds()
    await Promise.all(this.#mine.map(async ({ remote, assigned }) => {
      const start = startOf(remote.partition)
      const position = typeof start === 'number' ? start : await this.#resolve(remote, start)
      if (!this.#sought.has(assigned)) assigned.position = position
    }))
  }

  async #resolve(remote: RemotePartition, to: Exclude<StartPosition, number>): Promise<number> {
    const end = this.#isolation === 'read_committed' ? remote.lastStableOffset : remote.highWatermark
    if (typeof to !== 'object') return to === 'earliest' ? remote.startOffset : end
    await this.#reader.learnTimestamp([remote], to.timestamp)
    return remote.offsetForTimestamp(to.timestamp, this.#isolation)?.offset ?? end
  }

  /** Nothing is handed out of a partition until it is known where it goes on. */
  #moveLater(remote: RemotePartition, assigned: Assigned<K, V>, to: Exclude<StartPosition, number>): void {
    const moving = this.#reader.learnEnds().then(() => this.#resolve(remote, to)).then((offset) => {
      if (assigned.filling === moving) this.#reading.moveTo(assigned, offset)
    }, (error: unknown) => { assigned.failure = error }).finally(() => {
      if (assigned.filling === moving) assigned.filling = undefined
      this.#reading.wake()
    })
    assigned.filling = moving
  }

  /** The partition of a number; `form` shows how one calls what asks. */
  #find(partition: number, form: string): Mine<K, V> {
    if (typeof partition !== 'number') throw new TypeError(`a partition is named by its number: ${form}, not ${describe(partition)}`)
    const mine = this.#mine.find(({ remote }) => remote.partition === partition)
    if (mine !== undefined) return mine
    throw new RangeError(`this consumer does not read partition ${partition} of topic "${this.topic}": it reads ${this.assignment.join(', ')}`)
  }

  #chosen(partitions: readonly number[], form: string): readonly Mine<K, V>[] {
    return partitions.length === 0 ? this.#mine : partitions.map((partition) => this.#find(partition, form))
  }
}

function minesOf<K, V>(remotes: readonly RemotePartition[], numbers: readonly number[] | undefined): Mine<K, V>[] {
  const chosen = numbers === undefined ? remotes : [...new Set(numbers)].map((number) => remotes[number]!)
  return chosen.map((remote) => ({ remote, assigned: new Assigned<K, V>(remote.asLog, remote.startOffset) }))
}
