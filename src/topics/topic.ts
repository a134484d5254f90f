/*
 * A topic as a user holds it: a named row of partitions with codecs. It sends, and gives partitions, producers and consumers; the log it
 * belongs to opens and closes it.
 */
import { type InspectOptions } from 'node:util'
import { LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type WaitOptions } from './abort.ts'
import { checkCompactOptions, compactNow, type CompactOptions, type CompactReport } from './cleaning.ts'
import { Consumer, type ConsumerOptions } from './consumer.ts'
import { type PortableTopic } from './contract.ts'
import { GroupConsumer } from './groups/group-consumer.ts'
import { checkedGroupOptions, type GroupConsumerOptions } from './groups/group-options.ts'
import { topicSource } from './groups/group-sources.ts'
import { type Life } from './life.ts'
import { Partition, partitionStats, type PartitionStats } from './partition.ts'
import { Producer, type ProducerOptions, type SendRecord, type SendResult } from './producer.ts'
import { type TopicSettings } from './settings.ts'
import { logOf, presentLogs, type TopicParts } from './topic-core.ts'

/** A topic of an open log. */
export class Topic<K = string, V = unknown> implements PortableTopic<K, V> {
  readonly #parts: TopicParts<K, V>
  readonly #life: Life
  readonly #partitions: Partition<K, V>[] = []
  #producer: Producer<K, V> | undefined

  /** @internal */
  constructor(parts: TopicParts<K, V>) {
    this.#parts = parts
    this.#life = parts.life
  }

  /** @internal */
  get parts(): TopicParts<K, V> {
    return this.#parts
  }

  get name(): string {
    return this.#parts.core.entry.name
  }

  /** The settings that the topic was given; all others are the log's or the defaults. */
  get settings(): TopicSettings {
    return this.#parts.core.entry.settings
  }

  get partitionCount(): number {
    return this.#parts.core.logs.length
  }

  /** The partitions, by number. */
  get partitions(): readonly Partition<K, V>[] {
    return presentLogs(this.#parts.core).map((log) => this.#partitionOf(log))
  }

  /**
   * One partition.
   *
   * @throws RangeError when there is none of this number
   */
  partition(number: number): Partition<K, V> {
    return this.#partitionOf(logOf(this.#parts.core, number))
  }

  /**
   * Sends a record and resolves when it is durable: see {@link Producer.send}.
   */
  send(record: SendRecord<K, V>, options?: WaitOptions): Promise<SendResult>
  /** Sends records in their order and resolves when all are durable, with a result for each. */
  send(records: readonly SendRecord<K, V>[], options?: WaitOptions): Promise<SendResult[]>
  send(input: SendRecord<K, V> | readonly SendRecord<K, V>[], options?: WaitOptions): Promise<SendResult | SendResult[]> {
    return (this.#producer ??= new Producer(this.#parts)).submit(input, options)
  }

  /** A producer with options of its own, that can be flushed and closed by itself. */
  producer(options?: ProducerOptions<K, V>): Producer<K, V> {
    this.#life.check()
    return new Producer(this.#parts, options)
  }

  /** A member of a group: its members share the partitions, and the group remembers how far it is. */
  consumer(options: GroupConsumerOptions<number>): GroupConsumer<K, V, number>
  /** A consumer with positions of its own. */
  consumer(options?: ConsumerOptions): Consumer<K, V>
  consumer(options?: ConsumerOptions | GroupConsumerOptions<number>): Consumer<K, V> | GroupConsumer<K, V, number> {
    this.#life.check()
    return isOfGroup(options) ? groupConsumer(this.#parts, options) : new Consumer(this.#parts, options)
  }

  /** Resolves when everything appended to the topic so far is synced, whatever the durability. */
  async flush(): Promise<void> {
    this.#life.check()
    await Promise.all(presentLogs(this.#parts.core).map((log) => log.flush()))
  }

  /** Compacts its partitions now, one after the other: see {@link Partition.compactNow}. */
  async compactNow(options?: CompactOptions): Promise<CompactReport[]> {
    this.#life.check()
    checkCompactOptions(options)
    const reports: CompactReport[] = []
    for (const log of presentLogs(this.#parts.core)) reports.push(await compactNow(log, options))
    return reports
  }

  /** The numbers of each partition as they are now. */
  stats(): readonly PartitionStats[] {
    return presentLogs(this.#parts.core).map(partitionStats)
  }

  /** Ends this handle with its producers and consumers; the topic stays open for other handles until the log is closed. */
  async close(): Promise<void> {
    await this.#producer?.close()
    this.#life.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    return inspected('Topic', () => ({ name: this.name, partitionCount: this.partitionCount }), depth, options, inspect)
  }

  #partitionOf(log: PartitionLog): Partition<K, V> {
    const { codecs, folder } = this.#parts
    return (this.#partitions[log.partition] ??= new Partition(log, codecs, this.#life, folder))
  }
}

function groupConsumer<K, V>(parts: TopicParts<K, V>, options: GroupConsumerOptions<number>): GroupConsumer<K, V, number> {
  const checked = checkedGroupOptions(options, `a consumer of topic "${parts.core.entry.name}" in a group`)
  if (parts.log.readOnly) throw new LogError('LOG_READ_ONLY', `the log ${parts.folder} was opened read-only: a group commits to it`)
  return new GroupConsumer(topicSource(parts, checked.group), checked)
}

function isOfGroup(options: ConsumerOptions | GroupConsumerOptions<number> | undefined): options is GroupConsumerOptions<number> {
  return options !== undefined && options !== null && 'group' in options && options.group !== undefined
}
