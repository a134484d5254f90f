/*
 * The root object: a connection to a cluster, as a log.
 */
import { checkBoolean, checkObject } from '../base/options.ts'
import { type WaitOptions } from '../topics/abort.ts'
import type { PortableTransactionOptions } from '../topics/contract.ts'
import { checkedDefinition, defineTopic, type TopicDefinition } from '../topics/define-topic.ts'
import { GroupConsumer } from '../topics/groups/group-consumer.ts'
import { checkedGroupOptions } from '../topics/groups/group-options.ts'
import {
  type AnyDefinition, checkSubscribed, type KeyOf, type LogConsumerOptions, type SubscribedTopic, topicsSource, type ValueOf,
} from '../topics/groups/group-sources.ts'
import { type Place } from '../topics/groups/member.ts'
import { isInternalTopic } from '../topics/internal-topics.ts'
import { Life } from '../topics/life.ts'
import { Topic } from '../topics/topic.ts'
import { checkedTransactionOptions, defaultTransactionOptions } from '../topics/transactions/options.ts'
import { runTransaction } from '../topics/transactions/run-transaction.ts'
import { type Call } from './call.ts'
import { addressText } from './client.ts'
import { ClusterGroupConsumer } from './cluster-group-consumer.ts'
import { ClusterGroups } from './cluster-groups.ts'
import { OpenClusterTopic } from './cluster-topic.ts'
import { type Connected } from './connected.ts'
import { ReaderCore } from './reader-core.ts'
import { type TopicState } from './cluster.ts'
import { ensureTopic, type TopicConfig } from './topic-state.ts'
import { type ClusterTransaction } from './transaction.ts'
import { type ClusterLog, type ClusterStats, type ClusterTopic } from './types.ts'

/** A cluster that is connected. */
export class OpenClusterLog implements ClusterLog {
  readonly groups: ClusterGroups
  readonly #connected: Connected
  readonly #opened = new Map<string, number>()
  readonly #warned = new Set<string>()
  #closing: Promise<void> | undefined

  constructor(connected: Connected) {
    this.#connected = connected
    this.groups = new ClusterGroups(connected)
  }

  get clusterId(): string {
    return this.#connected.cluster.clusterId
  }

  /** @internal For those who do what no log does elsewhere. */
  get connected(): Connected {
    return this.#connected
  }

  async topic<K, V>(
    definition: TopicDefinition<K, V>, options: { readonly create?: boolean; readonly signal?: AbortSignal } = {},
  ): Promise<ClusterTopic<K, V>> {
    checkObject(options, 'the options for a topic are an object')
    const { create = true, ...waiting } = options
    checkBoolean(create, 'create')
    const call = this.#connected.call(waiting, `topic "${definition?.name}", which is defined already`)
    const { key, value } = checkedDefinition(definition)
    const { name, partitionCount, maxMessageBytes } = await this.#ensure(call, definition, create)
    const target = { name, partitionCount, maxMessageBytes, codecs: { key, value } }
    return new OpenClusterTopic(this.#connected, target, new Life(`topic "${name}"`, this.#connected.life))
  }

  async #ensure(
    call: Call, definition: Pick<TopicDefinition<never, never>, 'name' | 'partitions' | 'settings'>, create: boolean,
  ): Promise<{ readonly name: string; readonly partitionCount: number; readonly maxMessageBytes: number }> {
    // A topic of the cluster's own is made by who keeps something in it.
    const mayMake = create && !isInternalTopic(definition.name)
    const { state, config } = await ensureTopic(this.#connected.cluster, call, definition, mayMake)
    this.#connected.life.check()
    this.#warn(state, config)
    this.#opened.set(state.name, state.leaders.length)
    return { name: state.name, partitionCount: state.leaders.length, maxMessageBytes: config.maxMessageBytes }
  }

  /** Told once for each topic. */
  #warn({ name: topic, replication }: TopicState, { minInsyncReplicas }: TopicConfig): void {
    if ((replication > 1 && minInsyncReplicas > 1) || this.#warned.has(topic)) return
    this.#warned.add(topic)
    this.#connected.cluster.emit({ type: 'durability-warning', topic, replication, minInsyncReplicas })
  }

  async topics(options?: WaitOptions): Promise<readonly { readonly name: string; readonly partitions: number }[]> {
    const { cluster } = this.#connected
    const call = this.#connected.call(options, 'topics')
    await cluster.retrying(call, () => cluster.refresh(call))
    const visible = cluster.topics.filter(({ internal }) => !internal)
    return visible.map(({ name, leaders }) => ({ name, partitions: leaders.length })).sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  consumer<const T extends readonly SubscribedTopic[]>(
    options: Omit<LogConsumerOptions<T>, 'ref'>,
  ): GroupConsumer<KeyOf<T[number]>, ValueOf<T[number]>, Place> {
    this.#connected.life.check()
    const checked = checkedGroupOptions<Place>(options, 'a consumer of several topics', ['topics'])
    checkSubscribed(options.topics)
    type K = KeyOf<T[number]>
    type V = ValueOf<T[number]>
    const { isolation, group, signal } = checked
    const patterns = options.topics.some((topic) => topic instanceof RegExp)
    const reader = new ReaderCore(this.#connected, { isolation, group, signal, patterns, from: options.from ?? 'earliest' })
    const open = async (topic: AnyDefinition | string, create: boolean): Promise<Topic<K, V>> => {
      const definition = (typeof topic === 'string' ? defineTopic(topic) : topic) as unknown as TopicDefinition<K, V>
      const { name, partitionCount, maxMessageBytes } = await this.#ensure(this.#connected.cluster.call(signal), definition, create)
      const core = reader.open(name, partitionCount, maxMessageBytes)
      await reader.learnEnds()
      const life = new Life(`topic "${name}"`, this.#connected.life)
      return new Topic<K, V>(reader.partsOf(core, { key: definition.key, value: definition.value }, life))
    }
    const { life } = this.#connected
    const source = topicsSource<K, V>({ core: reader.asLog, life, open }, options.topics, group)
    const prepare = async (): Promise<void> => {
      await source.prepare()
      await reader.lookForTopics()
      await reader.learnEnds()
    }
    const placeOf: typeof reader.placeOf = (log, to) => reader.placeOf(log, to)
    return new ClusterGroupConsumer<K, V, Place>({ ...source, placeOf, prepare }, checked, reader)
  }

  transaction<T>(work: (transaction: ClusterTransaction) => Promise<T> | T, options?: PortableTransactionOptions): Promise<T> {
    return runTransaction(() => this.beginTransaction(options), work, options?.signal)
  }

  async beginTransaction(options?: PortableTransactionOptions): Promise<ClusterTransaction> {
    this.#connected.life.check()
    return this.#connected.begin(options === undefined ? defaultTransactionOptions : checkedTransactionOptions(options), options?.signal)
  }

  stats(): ClusterStats {
    const { cluster, buffered } = this.#connected
    return {
      clusterId: cluster.clusterId,
      brokers: cluster.brokers.map((broker) => ({ id: broker.id, address: addressText(broker), connected: cluster.isConnected(broker) })),
      topics: [...this.#opened].map(([name, partitions]) => ({ name, partitions })),
      bufferedBytes: buffered.bytes, bufferBytes: buffered.limit,
    }
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#connected.close())
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
