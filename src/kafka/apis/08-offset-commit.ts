/*
 * OffsetCommit (8): a group, or somebody who is in none, says how far it has read. Spec: Kafka's protocol, OffsetCommitRequest and
 * OffsetCommitResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Decoded, type Encodable, int16, int32, int64, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { type OffsetToCommit } from '../../topics/groups/group-messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { type CommittedOffsetOf, committedOffsets } from '../committed-offsets.ts'
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

/** OffsetCommit. */
export const offsetCommit = defineApi({
  key: 8,
  name: 'OffsetCommit',
  request,
  response,
  async handle(asked, context) {
    const refused = groupRefusal(context, 'READ', asked.groupId, { named: false })
    if (refused === 'GROUP_AUTHORIZATION_FAILED') return failed(asked, kafkaErrors[refused])
    const byId = context.version >= 10
    const topics = asked.topics.map(({ name, topicId, partitions }) => (
      byId ? { called: topicId, name: context.cluster.topicById(topicId)?.name, partitions } : { called: name, name, partitions }
    ))
    const results = await committedOffsets(topics, context, async (offsets) => (
      refused === undefined ? committed(asked, offsets, context) : offsets.map((offset) => ({ ...offset, error: refused }))
    ))
    return { topics: results.map(({ topic, partitions }) => ({ ...(byId ? { topicId: topic } : { name: topic }), partitions })) }
  },
  refuse: failed,
})

async function committed(
  asked: Request, given: readonly OffsetToCommit[], { cluster, version }: RequestContext,
): Promise<readonly CommittedOffsetOf[]> {
  const { groupId, memberId, generationIdOrMemberEpoch: generation, groupInstanceId, retentionTimeMs: retentionMs } = asked
  const groups = await cluster.groups()
  const offsets = retentionMs === -1 ? given : given.map((offset) => ({ ...offset, retentionMs }))
  const results = await groups.commitOffsets({ groupId, memberId, generation, groupInstanceId, version, offsets })
  // Newer clients are told apart what is of another generation and what is no group at all.
  const isGone = version >= 9 && results[0]?.error === 'ILLEGAL_GENERATION' && groups.describe(groupId) === undefined
  return isGone ? results.map(({ topic, partition }) => ({ topic, partition, error: 'GROUP_ID_NOT_FOUND' as const })) : results
}

function failed({ topics }: Request, errorCode: number): Encodable<typeof response> {
  return {
    topics: topics.map(({ name, topicId, partitions }) => (
      { name, topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
    )),
  }
}
