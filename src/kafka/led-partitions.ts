/*
 * The log behind a partition that a client asks for, or why this broker does not serve it; and what a client is told of the leader when it
 * asked the wrong broker (KIP-951).
 */
import { isLogError } from '../base/errors.ts'
import { type KafkaErrorName } from '../format/kafka-errors.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { type TopicEntry } from '../topics/catalog.ts'
import { type RequestContext } from './api.ts'

/**
 * The log of a partition, on the broker that leads it; else the error that a client gets. Whoever asks has tried to open the topic: one that is
 * there and not open could not be.
 */
export function ledPartition({ cluster, broker }: RequestContext, topic: string, partition: number): PartitionLog | KafkaErrorName {
  const open = cluster.openNow(topic)
  if (open === undefined) return cluster.topic(topic) === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'KAFKA_STORAGE_ERROR'
  const log = open.logs[partition]
  if (log === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION'
  return cluster.leads(broker, open.entry, partition) ? log : 'NOT_LEADER_OR_FOLLOWER'
}

/** Opens a topic that a client names. What keeps it from being opened is told for its partitions. */
export async function tryToOpen({ cluster }: RequestContext, topic: string): Promise<void> {
  await cluster.open(topic).catch((error: unknown) => {
    if (!isLogError(error)) throw error
  })
}

/** What is wrong with the epoch that a client believes a leader to be in; undefined when nothing is, or it does not say (−1). */
export function epochRefusal({ leaderEpoch }: PartitionLog, believed: number): KafkaErrorName | undefined {
  if (believed < 0 || believed === leaderEpoch) return undefined
  return believed < leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH'
}

/** A leader as the answer for its partition names it. */
export interface LeaderHint {
  readonly leaderId: number
  readonly leaderEpoch: number
}

/** Where a broker is, as the end of an answer tells it. */
export interface NodeEndpoint {
  readonly nodeId: number
  readonly host: string
  readonly port: number
  readonly rack: string | null
}

/** The leaders that one answer tells of. */
export class LeaderHints {
  readonly #context: RequestContext
  readonly #endpoints = new Map<number, NodeEndpoint>()

  constructor(context: RequestContext) {
    this.#context = context
  }

  /** Where they are. */
  get endpoints(): NodeEndpoint[] {
    return [...this.#endpoints.values()]
  }

  /** The leader of a partition, which the end of the answer then tells the address of. */
  of(entry: TopicEntry, partition: number): LeaderHint {
    const { cluster, connection } = this.#context
    const { nodeId, rack, addresses } = cluster.leader(entry, partition)
    const address = addresses.get(connection.listener)
    if (address !== undefined) this.#endpoints.set(nodeId, { nodeId, rack, ...address })
    return { leaderId: nodeId, leaderEpoch: cluster.openNow(entry.name)?.logs[partition]?.leaderEpoch ?? -1 }
  }
}
