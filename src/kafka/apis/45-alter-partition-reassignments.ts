/*
 * AlterPartitionReassignments (45): moves partitions to other brokers. All brokers serve one log, so a move is done when it is asked for, and
 * there never is one under way that could be cancelled. Spec: Kafka's protocol, AlterPartitionReassignmentsRequest and
 * AlterPartitionReassignmentsResponse; KIP-455.
 */
import { array, boolean, int16, int32, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { defineApi } from '../api.ts'
import { hasPartition } from '../by-topic.ts'
import { type Cluster } from '../cluster.ts'
import { assignmentRefusal } from '../placement.ts'
import { NO_REFUSAL, type Refusal, refusal, refusalOf } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** Where a partition is to go. */
interface Move {
  readonly partitionIndex: number
  /** Null: stay where it is. */
  readonly replicas: readonly number[] | null
}

/** How that went. */
interface Moved extends Refusal {
  readonly partitionIndex: number
}

/** AlterPartitionReassignments. */
export const alterPartitionReassignments = defineApi({
  key: 45,
  name: 'AlterPartitionReassignments',
  // 1: whether the replication factor may change.
  request: message('AlterPartitionReassignmentsRequest', { versions: [0, 1], flexible: 0 }, {
    timeoutMs: int32({ default: 60_000 }),
    allowReplicationFactorChange: boolean({ since: 1, default: true }),
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), replicas: array(int32(), { nullable: 0, default: null }) }),
    }),
  }),
  response: message('AlterPartitionReassignmentsResponse', { versions: [0, 1], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    allowReplicationFactorChange: boolean({ since: 1, default: true, ignorable: true }),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    responses: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), errorCode: int16(), errorMessage: string({ nullable: 0, default: null }) }),
    }),
  }),
  async handle({ topics, allowReplicationFactorChange }, context) {
    const { cluster, connection } = context
    if (!cluster.authorizer.allows(connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE)) {
      return { allowReplicationFactorChange, errorCode: kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, responses: [] }
    }
    const responses = []
    for (const { name, partitions } of topics) {
      if (connection.gone) break
      responses.push({ name, partitions: await moved(name, partitions, allowReplicationFactorChange, cluster) })
    }
    return { allowReplicationFactorChange, errorCode: kafkaErrors.NONE, responses }
  },
  refuse: ({ topics }, errorCode) => ({
    errorCode,
    responses: topics.map(({ name, partitions }) => ({
      name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  }),
})

/** Moves partitions of one topic, and says of each how that went. */
async function moved(name: string, moves: readonly Move[], mayChangeFactor: boolean, cluster: Cluster): Promise<Moved[]> {
  const entry = cluster.topic(name)
  const results = moves.map((move): Moved => ({ partitionIndex: move.partitionIndex, ...moveRefusal(entry, name, move, mayChangeFactor, cluster) }))
  const good = moves.flatMap(({ partitionIndex, replicas }, index): [number, readonly number[]][] => {
    return replicas === null || results[index]!.errorCode !== kafkaErrors.NONE ? [] : [[partitionIndex, replicas]]
  })
  if (entry === undefined || good.length === 0) return results
  try {
    await cluster.placement.assign(entry, good)
    return results
  } catch (error) {
    return results.map((result) => (result.errorCode === kafkaErrors.NONE ? { ...result, ...refusalOf(error) } : result))
  }
}

function moveRefusal(
  entry: TopicEntry | undefined, name: string, { partitionIndex, replicas }: Move, mayChangeFactor: boolean, cluster: Cluster,
): Refusal {
  if (entry === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find a topic named ${name}.`)
  if (!hasPartition(cluster, name, partitionIndex)) {
    return refusal('UNKNOWN_TOPIC_OR_PARTITION', `Unable to find partition ${name}:${partitionIndex}.`)
  }
  if (replicas === null) return refusal('NO_REASSIGNMENT_IN_PROGRESS')
  const wrong = assignmentRefusal(replicas, cluster.brokers, undefined)
  if (wrong !== undefined) return wrong
  const factor = cluster.replicas(entry, partitionIndex).length
  if (mayChangeFactor || replicas.length === factor) return NO_REFUSAL
  return refusal('INVALID_REPLICATION_FACTOR', `The replication factor is changed from ${factor} to ${replicas.length}`)
}
