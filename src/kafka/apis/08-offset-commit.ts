/*
 * OffsetCommit (8): a group, or somebody who is in none, says how far it has read. Spec: Kafka's protocol, OffsetCommitRequest and
 * OffsetCommitResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Decoded, type Encodable, int16, int32, int64, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { type OffsetToCommit } from '../../topics/groups/group-messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { byTopic, hasPartition } from '../by-topic.ts'
import { groupRefusal } from '../coordination.ts'

// 2: retention. 5: no retention. 6: leader epoch. 7: static members. 8: flexible. 9: members of the newer protocol. 10: topic ids.
const request = message('OffsetCommitRequest', { versions: [2, 10], flexible: 8 }, {
  groupId: string(),
  generationIdOrMemberEpoch: int32({ default: -1, ignorable: true }),
  memberId: string({ default: '', ignorable: true }),
  groupInstanceId: string({ since: 7, nullable: 7, default: null }),
  retentionTimeMs: int64({ since: 2, until: 4, default: -1, ignorable: true }),
  topics: array({
    name: string({ until: 9, default: '', ignorable: true }),
    topicId: uuid({ since: 10, default: NO_UUID, ignorable: true }),
    partitions: array({
      partitionIndex: int32(),
      committedOffset: int64(),
      committedLeaderEpoch: int32({ since: 6, default: -1, ignorable: true }),
      committedMetadata: string({ nullable: 0 }),
    }),
  }),
})

// 3: throttle time. 8: flexible. 10: topic ids.
const response = message('OffsetCommitResponse', { versions: [2, 10], flexible: 8 }, {
  throttleTimeMs: int32({ since: 3, default: 0, ignorable: true }),
  topics: array({
    name: string({ until: 9, default: '', ignorable: true }),
    topicId: uuid({ since: 10, default: NO_UUID, ignorable: true }),
    partitions: array({ partitionIndex: int32(), errorCode: int16() }),
  }),
})

type Request = Decoded<typeof request>
type Topic = Request['topics'][number]
/** What became of a partition of a topic, which is named as the request names it. */
type Result = readonly [named: string, partition: { readonly partitionIndex: number; readonly errorCode: number }]

/** OffsetCommit. */
export const offsetCommit = defineApi({
  key: 8,
  name: 'OffsetCommit',
  request,
  response,
  async handle(asked, context) {
    const refused = groupRefusal(context, 'READ', asked.groupId, { named: false })
    if (refused === 'GROUP_AUTHORIZATION_FAILED') return failed(asked, kafkaErrors[refused])
    const { wrong, offsets, names } = sorted(asked, context)
    if (offsets.length === 0) return answered(wrong, context)
    const done = refused === undefined ? await committed(asked, offsets, context) : offsets.map((offset) => ({ ...offset, error: refused }))
    return answered([...wrong, ...done.map(({ topic, partition, error }) => result(names.get(topic)!, partition, error))], context)
  },
  refuse: failed,
})

/** Tells partitions that there are from those that are answered at once. */
function sorted({ topics, retentionTimeMs }: Request, { cluster, connection, version }: RequestContext): {
  readonly wrong: readonly Result[]
  readonly offsets: readonly OffsetToCommit[]
  readonly names: ReadonlyMap<string, string>
} {
  const wrong: Result[] = []
  const offsets: OffsetToCommit[] = []
  const names = new Map<string, string>()
  for (const topic of topics) {
    const named = version >= 10 ? topic.topicId : topic.name
    const name = version >= 10 ? cluster.topicById(topic.topicId)?.name : topic.name
    const mayRead = name !== undefined && cluster.authorizer.allows(connection, 'READ', 'TOPIC', name)
    const error = name === undefined ? 'UNKNOWN_TOPIC_ID' : mayRead ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_AUTHORIZATION_FAILED'
    for (const partition of topic.partitions) {
      if (name === undefined || !mayRead || !hasPartition(cluster, name, partition.partitionIndex)) {
        wrong.push(result(named, partition.partitionIndex, error))
      } else {
        names.set(name, named)
        offsets.push(toCommit(name, partition, retentionTimeMs))
      }
    }
  }
  return { wrong, offsets, names }
}

function toCommit(topic: string, partition: Topic['partitions'][number], retentionMs: number): OffsetToCommit {
  const { partitionIndex, committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata: metadata } = partition
  return { topic, partition: partitionIndex, offset, leaderEpoch, metadata, ...(retentionMs !== -1 && { retentionMs }) }
}

async function committed(
  { groupId, memberId, generationIdOrMemberEpoch: generation, groupInstanceId }: Request, offsets: readonly OffsetToCommit[],
  { cluster, version }: RequestContext,
): Promise<readonly { readonly topic: string; readonly partition: number; readonly error: KafkaErrorName }[]> {
  const groups = await cluster.groups()
  const results = await groups.commitOffsets({ groupId, memberId, generation, groupInstanceId, version, offsets })
  // Newer clients are told apart what is of another generation and what is no group at all.
  const isGone = version >= 9 && results[0]?.error === 'ILLEGAL_GENERATION' && groups.describe(groupId) === undefined
  return isGone ? results.map(({ topic, partition }) => ({ topic, partition, error: 'GROUP_ID_NOT_FOUND' as const })) : results
}

function result(named: string, partitionIndex: number, error: KafkaErrorName): Result {
  return [named, { partitionIndex, errorCode: kafkaErrors[error] }]
}

function answered(results: readonly Result[], { version }: RequestContext): Encodable<typeof response> {
  return { topics: byTopic(results).map(({ topic, partitions }) => ({ ...(version >= 10 ? { topicId: topic } : { name: topic }), partitions })) }
}

function failed({ topics }: Request, errorCode: number): Encodable<typeof response> {
  return {
    topics: topics.map(({ name, topicId, partitions }) => (
      { name, topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
    )),
  }
}
