/*
 * Offsets that somebody commits, with or without a transaction: which of them may be, and what became of each, as OffsetCommit and
 * TxnOffsetCommit answer it.
 */
import { type KafkaErrorName, kafkaErrors } from '../format/kafka-errors.ts'
import { type OffsetToCommit } from '../topics/groups/group-messages.ts'
import { type RequestContext } from './api.ts'
import { byTopic, hasPartition, type OfTopic } from './by-topic.ts'

/** A topic of a request that commits. */
export interface TopicToCommit {
  /** Its name or its id: what the request calls it by, and the answer. */
  readonly called: string
  /** Undefined when there is none with that id. */
  readonly name: string | undefined
  readonly partitions: readonly {
    readonly partitionIndex: number
    readonly committedOffset: number
    readonly committedLeaderEpoch: number
    readonly committedMetadata: string | null
  }[]
}

/** What became of an offset. */
export interface CommittedOffsetOf {
  readonly topic: string
  readonly partition: number
  readonly error: KafkaErrorName
}

/** What is answered for a partition. */
export interface PartitionCommitted {
  readonly partitionIndex: number
  readonly errorCode: number
}

/** Commits what may be committed, and gives what is answered, by what the request calls the topics: first what could not be. */
export async function committedOffsets(
  topics: readonly TopicToCommit[], context: RequestContext, commit: (offsets: readonly OffsetToCommit[]) => Promise<readonly CommittedOffsetOf[]>,
): Promise<OfTopic<PartitionCommitted>[]> {
  const { wrong, offsets } = sorted(topics, context)
  const done = offsets.length === 0 ? [] : await commit(offsets)
  const called = new Map(topics.map((topic) => [topic.name, topic.called]))
  return byTopic([...wrong, ...done.map(({ topic, partition, error }) => result(called.get(topic)!, partition, error))])
}

type Result = readonly [called: string, partition: PartitionCommitted]

/** Tells partitions that there are from those that are answered at once. */
function sorted(topics: readonly TopicToCommit[], { cluster, connection }: RequestContext): {
  readonly wrong: readonly Result[]
  readonly offsets: readonly OffsetToCommit[]
} {
  const wrong: Result[] = []
  const offsets: OffsetToCommit[] = []
  for (const { called, name, partitions } of topics) {
    const mayRead = name !== undefined && cluster.authorizer.allows(connection, 'READ', 'TOPIC', name)
    const error = name === undefined ? 'UNKNOWN_TOPIC_ID' : mayRead ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_AUTHORIZATION_FAILED'
    for (const { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata: metadata } of partitions) {
      if (name === undefined || !mayRead || !hasPartition(cluster, name, partition)) wrong.push(result(called, partition, error))
      else offsets.push({ topic: name, partition, offset, leaderEpoch, metadata })
    }
  }
  return { wrong, offsets }
}

function result(called: string, partitionIndex: number, error: KafkaErrorName): Result {
  return [called, { partitionIndex, errorCode: kafkaErrors[error] }]
}
