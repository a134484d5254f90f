/*
 * A topic of a cluster as a user holds it.
 */
import { type WaitOptions } from '../topics/abort.ts'
import { type Handler } from '../topics/consume/loop-options.ts'
import { checkConsumeOptions, type ConsumeOptions } from '../topics/consume/options.ts'
import { Consumption } from '../topics/consume/consume.ts'
import { type ConsumerOptions } from '../topics/consumer.ts'
import type { PortableProducerOptions, PortableSendRecord, PortableSendResult } from '../topics/contract.ts'
import { GroupConsumer } from '../topics/groups/group-consumer.ts'
import { checkedGroupOptions, type GroupConsumerOptions, isOfGroup } from '../topics/groups/group-options.ts'
import { topicSource } from '../topics/groups/group-sources.ts'
import { type Life } from '../topics/life.ts'
import { ClusterConsumer } from './cluster-consumer.ts'
import { ClusterGroupConsumer } from './cluster-group-consumer.ts'
import { ClusterProducer } from './cluster-producer.ts'
import { type Connected } from './connected.ts'
import { endsOf } from './ends.ts'
import { ReaderCore, type ReaderOptions } from './reader-core.ts'
import { type SendTarget } from './send.ts'
import { type ClusterTopic, type PartitionOffsets } from './types.ts'

/** A topic. */
export class OpenClusterTopic<K, V> implements ClusterTopic<K, V> {
  /** @internal What is sent to. */
  readonly target: SendTarget<K, V>
  readonly #connected: Connected
  readonly #life: Life
  #producer: ClusterProducer<K, V> | undefined

  constructor(connected: Connected, target: SendTarget<K, V>, life: Life) {
    this.#connected = connected
    this.target = target
    this.#life = life
  }

  get name(): string {
    return this.target.name
  }

  get partitionCount(): number {
    return this.target.partitionCount
  }

  send(record: PortableSendRecord<K, V>, options?: WaitOptions): Promise<PortableSendResult>
  send(records: readonly PortableSendRecord<K, V>[], options?: WaitOptions): Promise<PortableSendResult[]>
  send(
    input: PortableSendRecord<K, V> | readonly PortableSendRecord<K, V>[], options?: WaitOptions,
  ): Promise<PortableSendResult | PortableSendResult[]> {
    this.#producer ??= new ClusterProducer(this.#connected, this.target, this.#life)
    return this.#producer.send(input as PortableSendRecord<K, V>, options)
  }

  producer(options?: PortableProducerOptions<K, V>): ClusterProducer<K, V> {
    this.#life.check()
    return new ClusterProducer(this.#connected, this.target, this.#life, options)
  }

  consumer(options: GroupConsumerOptions<number>): GroupConsumer<K, V, number>
  consumer(options?: ConsumerOptions): ClusterConsumer<K, V>
  consumer(options?: ConsumerOptions | GroupConsumerOptions<number>): ClusterConsumer<K, V> | GroupConsumer<K, V, number> {
    this.#life.check()
    return isOfGroup(options) ? this.#groupConsumer(options) : new ClusterConsumer(this.#connected, this.target, this.#life, options)
  }

  #groupConsumer(options: GroupConsumerOptions<number>): GroupConsumer<K, V, number> {
    const { name } = this.target
    const checked = checkedGroupOptions<number>(options, `a consumer of topic "${name}"`)
    const { isolation, group, signal } = checked
    const { reader, parts } = this.#read({ isolation, group, signal, from: options.from ?? 'earliest' })
    const placeOf: typeof reader.placeOf = (log, to) => reader.placeOf(log, to)
    const source = { ...topicSource<K, V>(parts, group), placeOf, prepare: () => reader.learnEnds() }
    return new ClusterGroupConsumer(source, checked, reader)
  }

  consume(options: ConsumeOptions, handler: Handler<K, V>): Consumption<K, V> {
    this.#life.check()
    const { group, from, retryTopic } = checkConsumeOptions(this.name, options)
    const asideFor = [this.name, ...(retryTopic === undefined ? [] : [retryTopic])]
    // Its signal hands out nothing more; what is in hand then is put aside and committed with all the time that it has.
    const { reader, parts } = this.#read({ isolation: 'read_committed', group, from, signal: undefined, asideFor })
    const consumption = new Consumption(parts, options, handler)
    reader.ended = () => consumption.done.catch(() => {})
    const close = (): void => void reader.close()
    consumption.done.then(close, close)
    return consumption
  }

  #read(options: ReaderOptions): { readonly reader: ReaderCore; readonly parts: ReturnType<typeof ReaderCore.prototype.partsOf<K, V>> } {
    const { name, partitionCount, maxMessageBytes, codecs } = this.target
    const reader = new ReaderCore(this.#connected, options)
    return { reader, parts: reader.partsOf(reader.open(name, partitionCount, maxMessageBytes), codecs, this.#life) }
  }

  async offsets(options?: WaitOptions): Promise<readonly PartitionOffsets[]> {
    this.#life.check()
    const call = this.#connected.call(options, 'offsets')
    const places = Array.from({ length: this.partitionCount }, (_, partition) => ({ topic: this.name, partition }))
    return (await endsOf(this.#connected.cluster, call, places)).map((ends, partition) => ({ partition, ...ends }))
  }

  async close(): Promise<void> {
    await this.#producer?.close()
    this.#life.end()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
