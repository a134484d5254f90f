/*
 * A cluster as a log: the portable contracts, and what only a cluster has. What is here runs on any cluster that speaks Kafka's protocol
 * (3.0 or newer).
 */
import type { WaitOptions } from '../topics/abort.ts'
import type {
  PortableGroupConsumer, PortableGroupConsumerOptions, PortableLog, PortableConsumer, PortableConsumerOptions, PortableTopic,
} from '../topics/contract.ts'
import type { TopicDefinition } from '../topics/define-topic.ts'

/** The ends of one partition. */
export interface PartitionOffsets {
  readonly partition: number
  /** The oldest offset kept. */
  readonly startOffset: number
  /** The offset behind the last record that has all its copies. */
  readonly highWatermark: number
  /** Below it every transaction has ended: as far as who reads committed records may go. */
  readonly lastStableOffset: number
}

/** The numbers of a connection. */
export interface ClusterStats {
  readonly clusterId: string
  /** Brokers by `host:port`. */
  readonly brokers: readonly { readonly id: number; readonly address: string; readonly connected: boolean }[]
  /** Topics that were opened. */
  readonly topics: readonly { readonly name: string; readonly partitions: number }[]
  /** Bytes of records that are not acknowledged yet, those of transactions included, and above how many `send` rejects with `LOG_BUFFER_FULL`. */
  readonly bufferedBytes: number
  readonly bufferBytes: number
}

/** A cluster. */
export interface ClusterLog extends PortableLog {
  /** As the cluster calls itself. */
  readonly clusterId: string
  /**
   * Opens a topic, and makes it when it is missing, with the definition's partitions and settings and as many copies as `replication` says.
   * Partitions are added when the definition has more than there are.
   *
   * @throws LogError `LOG_TOPIC_MISMATCH` when it has other settings or more partitions, `LOG_NOT_FOUND` with `create: false`,
   *   `LOG_CLUSTER_UNAVAILABLE`, `LOG_NOT_AUTHORIZED`
   */
  topic<K, V>(definition: TopicDefinition<K, V>, options?: { readonly create?: boolean; readonly signal?: AbortSignal }): Promise<ClusterTopic<K, V>>
  stats(): ClusterStats
}

/** A topic of a cluster. */
export interface ClusterTopic<K, V> extends PortableTopic<K, V> {
  consumer(options: PortableGroupConsumerOptions<number>): PortableGroupConsumer<K, V, number>
  consumer(options?: PortableConsumerOptions): PortableConsumer<K, V>
  /** The ends of its partitions now, by number. */
  offsets(options?: WaitOptions): Promise<readonly PartitionOffsets[]>
}
