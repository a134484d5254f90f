/*
 * TxnOffsetCommit (28): offsets of a group that count once a transaction is committed. Asked of the coordinator of the group. Spec: Kafka's
 * protocol, TxnOffsetCommitRequest and TxnOffsetCommitResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bigint64, type Decoded, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { type OffsetToCommit } from '../../topics/groups/group-messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { type CommittedOffsetOf, committedOffsets } from '../committed-offsets.ts'
import { groupRefusal } from '../coordination.ts'

// 2: leader epoch. 3: flexible, member. 4: TRANSACTION_ABORTABLE. 5: the offsets become a part of the transaction by this request.
const request = message('TxnOffsetCommitRequest', { versions: [0, 5], flexible: 3 }, {
  transactionalId: string(),
  groupId: string(),
  producerId: bigint64(),
  producerEpoch: int16(),
  generationId: int32({ since: 3, default: -1 }),
  memberId: string({ since: 3, default: '' }),
  groupInstanceId: string({ since: 3, nullable: 3, default: null }),
  topics: array({
    name: string(),
    partitions: array({
      partitionIndex: int32(),
      committedOffset: int64(),
      committedLeaderEpoch: int32({ since: 2, default: -1, ignorable: true }),
      committedMetadata: string({ nullable: 0 }),
    }),
  }),
})

// 3: flexible.
const response = message('TxnOffsetCommitResponse', { versions: [0, 5], flexible: 3 }, {
  throttleTimeMs: int32({ default: 0 }),
  topics: array({
    name: string(),
    partitions: array({ partitionIndex: int32(), errorCode: int16() }),
  }),
})

type Request = Decoded<typeof request>

/** TxnOffsetCommit. */
export const txnOffsetCommit = defineApi({
  key: 28,
  name: 'TxnOffsetCommit',
  request,
  response,
  async handle(asked, context) {
    const { cluster, connection } = context
    if (!cluster.authorizer.allows(connection, 'WRITE', 'TRANSACTIONAL_ID', asked.transactionalId)) {
      return failed(asked, kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    }
    const refused = groupRefusal(context, 'READ', asked.groupId)
    if (refused === 'GROUP_AUTHORIZATION_FAILED') return failed(asked, kafkaErrors[refused])
    const topics = asked.topics.map(({ name, partitions }) => ({ called: name, name, partitions }))
    const results = await committedOffsets(topics, context, async (offsets) => (
      refused === undefined ? committed(asked, offsets, context) : offsets.map((offset) => ({ ...offset, error: refused }))
    ))
    return { topics: results.map(({ topic, partitions }) => ({ name: topic, partitions })) }
  },
  refuse: failed,
})

async function committed(
  asked: Request, offsets: readonly OffsetToCommit[], { cluster, version }: RequestContext,
): Promise<readonly CommittedOffsetOf[]> {
  const { transactionalId, producerId, producerEpoch, groupId, memberId, generationId: generation, groupInstanceId } = asked
  const results = await cluster.transactions.commitOffsets({
    transactionalId, producerId, producerEpoch, groupId, memberId, generation, groupInstanceId, offsets, version: version >= 5 ? 2 : 1,
  })
  return results.map(({ topic, partition, error }) => ({ topic, partition, error: asGroupsSay(error, version) }))
}

/** What the transaction coordinator says of a producer, in the words that the coordinator of a group has for it. */
function asGroupsSay(error: KafkaErrorName, version: number): KafkaErrorName {
  if (error === 'PRODUCER_FENCED') return 'INVALID_PRODUCER_EPOCH'
  return error === 'INVALID_TXN_STATE' && version >= 4 ? 'TRANSACTION_ABORTABLE' : error
}

function failed({ topics }: Request, errorCode: number): Encodable<typeof response> {
  return {
    topics: topics.map(({ name, partitions }) => ({ name, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) })),
  }
}
