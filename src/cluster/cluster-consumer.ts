/*
 * Reads partitions of a cluster's topic as they grow, with positions of its own: to the cluster what topics/consumer.ts is to a log in this
 * process. Where it begins is asked of the cluster as soon as it is made; an offset that is not there is told when it is read.
 */
import { type PartitionLog } from '../log/partition-log.ts'
import { type RecordCodecs } from '../log/record-input.ts'
import { checkConsumerOptions, type ConsumerOptions, startsIn } from '../topics/consumer.ts'
import { Life } from '../topics/life.ts'
import { Assigned, Reading } from '../topics/reading.ts'
import { outOfRange, type StartPosition } from '../topics/start-position.ts'
import { TopicReader } from '../topics/topic-reader.ts'
import { type Connected } from './connected.ts'
import { ReaderCore } from './reader-core.ts'
import { type SendTarget } from './send.ts'

/** Reads partitions of one topic. */
export class ClusterConsumer<K, V> extends TopicReader<K, V> {
  readonly #reader: ReaderCore

  constructor(connected: Connected, target: SendTarget<K, V>, parent: Life, options: ConsumerOptions = {}) {
    const { name, partitionCount, maxMessageBytes, codecs } = target
    checkConsumerOptions(options, `a consumer of topic "${name}"`)
    const { partitions, isolation = 'read_committed', signal, ref = true } = options
    const check = (partition: number): void => {
      if (partition >= partitionCount) throw new RangeError(`there is no partition ${partition}: topic "${name}" has ${partitionCount}`)
    }
    const startOf = startsIn(options, check)
    const numbers = partitions ?? Array.from({ length: partitionCount }, (_, partition) => partition)
    for (const number of numbers) check(number)
    const reader = new ReaderCore(connected, { isolation, group: undefined, from: 'earliest', signal })
    const { logs } = reader.open(name, partitionCount, maxMessageBytes)
    const assigned = [...new Set(numbers)].map((number) => new Assigned<K, V>(logs[number]!, 0))
    const life = new Life(`the consumer of topic "${name}"`, parent)
    const reading = new Reading(assigned, { codecs: codecs as RecordCodecs<K, V>, isolation, clock: connected.options.clock, life, signal, ref })
    super(name, life, reading, options)
    this.#reader = reader
    // Asked for now, and not when somebody loops.
    for (const one of assigned) reading.moveTo(one, this.placeOf(one.log, startOf(one.log.partition)))
  }

  override async close(): Promise<void> {
    await super.close()
    await this.#reader.close()
  }

  protected override placeOf(log: PartitionLog, to: StartPosition): number | Promise<number> {
    return typeof to === 'number' ? to : this.#reader.find(log, to)
  }

  /** What a beginning failed with is told when its partition is read. */
  protected override async prepare(): Promise<void> {
    await this.#reader.learnEnds()
    await Promise.all(this.reading.assigned.map(({ filling }) => filling))
    for (const { log, position, failure } of this.reading.assigned) {
      if (failure === undefined && (position < log.startOffset || position > log.highWatermark)) throw outOfRange(log, position)
    }
  }
}
