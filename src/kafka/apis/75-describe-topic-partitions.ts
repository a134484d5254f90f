/*
 * DescribeTopicPartitions (75): partitions of topics, so many at a time, with a cursor for those that come next. Topics go by name. Spec: Kafka's
 * protocol, DescribeTopicPartitionsRequest and DescribeTopicPartitionsResponse; KIP-966.
 */
import { OPERATIONS_NOT_ASKED } from '../../format/messages/authorized-operations.ts'
import { array, boolean, type Decoded, type Encodable, int16, int32, message, NO_UUID, string, struct, uuid } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type TopicEntry } from '../../topics/catalog.ts'
import { isInternalTopic } from '../../topics/internal-topics.ts'
import { type TopicCore } from '../../topics/topic-core.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { authorizedOperations } from '../authorized-operations.ts'
import { wrongTopicName } from '../named-topics.ts'

const MOST_PARTITIONS = 2000

const cursor = { topicName: string(), partitionIndex: int32() }

const request = message('DescribeTopicPartitionsRequest', { versions: [0, 0], flexible: 0 }, {
  topics: array({ name: string() }),
  responsePartitionLimit: int32({ default: MOST_PARTITIONS }),
  cursor: struct(cursor, { nullable: 0, default: null }),
})

const response = message('DescribeTopicPartitionsResponse', { versions: [0, 0], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  topics: array({
    errorCode: int16(),
    name: string({ nullable: 0 }),
    topicId: uuid({ default: NO_UUID, ignorable: true }),
    isInternal: boolean({ default: false, ignorable: true }),
    partitions: array({
      errorCode: int16(),
      partitionIndex: int32(),
      leaderId: int32(),
      leaderEpoch: int32({ default: -1, ignorable: true }),
      replicaNodes: array(int32()),
      isrNodes: array(int32()),
      eligibleLeaderReplicas: array(int32(), { nullable: 0, default: null }),
      lastKnownElr: array(int32(), { nullable: 0, default: null }),
      offlineReplicas: array(int32(), { default: [], ignorable: true }),
    }),
    topicAuthorizedOperations: int32({ default: OPERATIONS_NOT_ASKED }),
  }),
  nextCursor: struct(cursor, { nullable: 0, default: null }),
})

type Asked = Decoded<typeof request>
type TopicAnswer = Encodable<typeof response>['topics'][number]
type PartitionAnswer = TopicAnswer['partitions'][number]

/** DescribeTopicPartitions. */
export const describeTopicPartitions = defineApi({
  key: 75,
  name: 'DescribeTopicPartitions',
  request,
  response,
  async handle(asked, context) {
    const wrong = wrongCursor(asked)
    if (wrong !== undefined) return { topics: asked.topics.map(({ name }) => failed(name, wrong)) }
    const { cluster, connection } = context
    const all = asked.topics.length === 0
    const visible = (name: string): boolean => (all ? cluster.discreet : cluster.authorizer).allows(connection, 'DESCRIBE', 'TOPIC', name)
    const names = namesAskedFor(asked, cluster)
    const seen = new Set(names.filter(visible))
    const answer = await describedTopics([...seen], asked, context)
    const hidden = all ? [] : names.filter((name) => !seen.has(name)).map((name) => failed(name, kafkaErrors.TOPIC_AUTHORIZATION_FAILED))
    return { ...answer, topics: [...answer.topics, ...hidden] }
  },
  refuse: ({ topics }, errorCode) => ({ topics: topics.map(({ name }) => failed(name, errorCode)) }),
})

/** The cursor must point into what is asked for. */
function wrongCursor({ topics, cursor: from }: Asked): number | undefined {
  if (from === null) return undefined
  const named = topics.length === 0 || topics.some(({ name }) => name === from.topicName)
  return named && from.partitionIndex >= 0 ? undefined : kafkaErrors.INVALID_REQUEST
}

/** Each name once, in order, from the cursor on. */
function namesAskedFor({ topics, cursor: from }: Asked, cluster: RequestContext['cluster']): string[] {
  const names = new Set((topics.length === 0 ? cluster.topics : topics).map(({ name }) => name))
  return Array.from(names).filter((name) => name >= (from?.topicName ?? '')).sort()
}

async function describedTopics(
  names: readonly string[], { topics: asked, responsePartitionLimit, cursor: from }: Asked, context: RequestContext,
): Promise<{ topics: TopicAnswer[]; nextCursor: { topicName: string; partitionIndex: number } | null }> {
  const topics: TopicAnswer[] = []
  let left = Math.max(1, Math.min(MOST_PARTITIONS, responsePartitionLimit))
  for (const topicName of names) {
    if (left === 0) return { topics, nextCursor: { topicName, partitionIndex: 0 } }
    const entry = context.cluster.topic(topicName)
    if (entry === undefined) {
      if (asked.length > 0) topics.push({ ...failed(topicName, unknownCode(topicName)), ...operations(topicName, context) })
      continue
    }
    const first = topicName === from?.topicName ? from.partitionIndex : 0
    const answer = await described(entry, first, left, context)
    topics.push(answer)
    left -= answer.partitions.length
    const next = first + answer.partitions.length
    if (next < entry.partitions) return { topics, nextCursor: { topicName, partitionIndex: next } }
  }
  return { topics, nextCursor: null }
}

function unknownCode(name: string): number {
  return wrongTopicName(name) === undefined ? kafkaErrors.UNKNOWN_TOPIC_OR_PARTITION : kafkaErrors.INVALID_TOPIC_EXCEPTION
}

async function described(entry: TopicEntry, from: number, most: number, context: RequestContext): Promise<TopicAnswer> {
  const { cluster } = context
  const topic = await cluster.open(entry.name)
  const count = Math.max(0, Math.min(most, entry.partitions - from))
  return {
    errorCode: kafkaErrors.NONE,
    name: entry.name,
    topicId: cluster.topicId(entry),
    isInternal: isInternalTopic(entry.name),
    partitions: Array.from({ length: count }, (_, index) => partitionOf(entry, topic, from + index, cluster)),
    ...operations(entry.name, context),
  }
}

function operations(name: string, { cluster, connection }: RequestContext): Pick<TopicAnswer, 'topicAuthorizedOperations'> {
  return { topicAuthorizedOperations: authorizedOperations(cluster.discreet, connection, 'TOPIC', name) }
}

function partitionOf(entry: TopicEntry, topic: TopicCore | undefined, partitionIndex: number, cluster: RequestContext['cluster']): PartitionAnswer {
  const nodes = cluster.replicas(entry, partitionIndex).map(({ nodeId }) => nodeId)
  return {
    errorCode: kafkaErrors.NONE, partitionIndex, leaderId: nodes[0]!, leaderEpoch: topic?.logs[partitionIndex]?.leaderEpoch ?? -1,
    replicaNodes: nodes, isrNodes: nodes, eligibleLeaderReplicas: [], lastKnownElr: [],
  }
}

function failed(name: string, errorCode: number): TopicAnswer {
  return { errorCode, name, isInternal: isInternalTopic(name), partitions: [] }
}
