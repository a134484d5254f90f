/*
 * A topic as a user holds it: a named row of partitions with codecs. It sends, and gives partitions, producers and consumers; the log it
 * belongs to opens and closes it.
 */
import { type InspectOptions } from 'node:util'
import { LogError } from '../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../base/inspect.ts'
import { checkInteger, checkObject, checkOptions } from '../base/options.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type WaitOptions } from './abort.ts'
import { checkCompactOptions, compactNow, type CompactOptions, type CompactReport } from './cleaning.ts'
import { Consumer, type ConsumerOptions } from './consumer.ts'
import { Consumption } from './consume/consume.ts'
import { DeadLetters } from './consume/dead-letters.ts'
import { type Handler } from './consume/loop-options.ts'
import { type ConsumeOptions } from './consume/options.ts'
import { type PortableTopic } from './contract.ts'
import { GroupConsumer } from './groups/group-consumer.ts'
import { checkedGroupOptions, type GroupConsumerOptions, isOfGroup } from './groups/group-options.ts'
import { topicSource } from './groups/group-sources.ts'
import { type Life } from './life.ts'
import { Partition, partitionStats, type PartitionStats } from './partition.ts'
import { Producer, type ProducerOptions, type SendRecord, type SendResult } from './producer.ts'
import { settingNames, type TopicSettings } from './settings.ts'
import { type TopicChanges } from './topic-admin.ts'
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

  /**
   * Deletes records of partitions, in each those below an offset: see {@link Partition.deleteRecords}.
   *
   * @param before  `'latest'` for all that consumers can see in every partition, or an offset, or `'latest'`, by partition: `{ 0: 1000 }`
   * @returns the start of each partition that was named
   */
  async deleteRecords(before: 'latest' | { readonly [partition: number]: number | 'latest' }): Promise<Readonly<Record<number, number>>> {
    this.#life.check()
    if (before !== 'latest') checkObject(before ?? null, 'deleteRecords takes \'latest\' or offsets by partition')
    const all = (): [number, 'latest'][] => this.partitions.map(({ partition }) => [partition, 'latest'])
    const asked = before === 'latest' ? all() : Object.entries(before).map(([number, offset]) => [Number(number), offset] as const)
    for (const [number] of asked) this.partition(number)       // before anything is deleted
    const starts = await Promise.all(asked.map(async ([number, offset]) => [number, await this.partition(number).deleteRecords(offset)] as const))
    return Object.fromEntries(starts)
  }

  /**
   * Adds partitions behind those that there are. Records that are sent from then on may go there: equal keys no longer go where they went.
   *
   * @throws LogError `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`
   */
  async addPartitions(count: number): Promise<void> {
    this.#life.check()
    checkInteger(count ?? null, 'the number of partitions to add', 1)
    await this.#parts.log.admin.addPartitions(this.name, count)
  }

  /**
   * Changes settings while the topic is open: they are stored, and hold for what is appended from then on, for all handles. `null` takes one
   * back to what the log says, or to its default.
   *
   * @throws LogError `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`; TypeError and RangeError for what no setting can be
   */
  async alter(settings: TopicChanges): Promise<void> {
    this.#life.check()
    checkOptions(settings, settingNames, 'alter')
    await this.#parts.log.admin.alter(this.name, settings)
  }

  /**
   * Hands the records of the topic to `handler`, as a member of a group, from now on until it is stopped: several at a time, in the order that
   * is asked for. What fails is tried again, and goes to the dead letters in the end; what finished is committed, in whatever order it did.
   *
   * @throws TypeError, RangeError for options that make no sense; LogError `LOG_DEAD_LETTER_TOPIC`, `LOG_READ_ONLY`, `LOG_CLOSED`
   * @see docs/consume.md
   */
  consume(options: ConsumeOptions, handler: Handler<K, V>): Consumption<K, V> {
    return new Consumption(this.#parts, options, handler)
  }

  /** The records of the topic that a group gave up, in the topic that `consume` puts them in, or another one. */
  deadLetters(group: string, options?: { readonly topic?: string }): DeadLetters<K, V> {
    this.#life.check()
    return new DeadLetters(this.#parts, group, options)
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
    const { codecs, core, folder } = this.#parts
    return (this.#partitions[log.partition] ??= new Partition(log, codecs, this.#life, folder, core.entry.events === true))
  }
}

function groupConsumer<K, V>(parts: TopicParts<K, V>, options: GroupConsumerOptions<number>): GroupConsumer<K, V, number> {
  const checked = checkedGroupOptions(options, `a consumer of topic "${parts.core.entry.name}" in a group`)
  if (parts.log.readOnly) {
    const { folder, core: { entry: { name: topic } } } = parts
    throw new LogError('LOG_READ_ONLY', `the log ${folder} was opened read-only: a group commits to it`, { folder, topic })
  }
  return new GroupConsumer(topicSource(parts, checked.group), checked)
}
