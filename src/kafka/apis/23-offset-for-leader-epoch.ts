/*
 * OffsetForLeaderEpoch (23): where the records of a leader epoch end, by which a consumer tells whether what it has read is still there. Spec:
 * Kafka's protocol, OffsetForLeaderEpochRequest and OffsetForLeaderEpochResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { epochRefusal, ledPartition, tryToOpen } from '../led-partitions.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** What brokers and tools that are none of the two call themselves. */
const DEBUGGER = -2

const response = message('OffsetForLeaderEpochResponse', { versions: [2, 4], flexible: 4 }, {
  throttleTimeMs: int32({ default: 0, ignorable: true }),
  topics: array({
    topic: string(),
    partitions: array({
      errorCode: int16(),
      partition: int32(),
      leaderEpoch: int32({ default: -1, ignorable: true }),
      endOffset: int64({ default: -1 }),
    }),
  }),
})

type PartitionAnswer = Encodable<typeof response>['topics'][number]['partitions'][number]

/** OffsetForLeaderEpoch. */
export const offsetForLeaderEpoch = defineApi({
  key: 23,
  name: 'OffsetForLeaderEpoch',
  // 2: the epoch that the asker believes the leader to be in. 3: replica id. 4: flexible.
  request: message('OffsetForLeaderEpochRequest', { versions: [2, 4], flexible: 4 }, {
    replicaId: int32({ since: 3, default: DEBUGGER, ignorable: true }),
    topics: array({
      topic: string(),
      partitions: array({
        partition: int32(),
        currentLeaderEpoch: int32({ default: -1, ignorable: true }),
        leaderEpoch: int32(),
      }),
    }),
  }),
  response,
  async handle(request, context) {
    const { cluster: { authorizer, discreet }, connection } = context
    const replica = discreet.allows(connection, 'CLUSTER_ACTION', 'CLUSTER', CLUSTER_RESOURCE)
    const topics = []
    for (const { topic: name, partitions } of request.topics) {
      const allowed = replica || authorizer.allows(connection, 'DESCRIBE', 'TOPIC', name)
      if (allowed) await tryToOpen(context, name)
      topics.push({
        topic: name,
        partitions: partitions.map((asked) => (allowed ? endOf(asked, name, context) : failed(asked.partition, 'TOPIC_AUTHORIZATION_FAILED'))),
      })
    }
    return { topics }
  },
  refuse: ({ topics }, errorCode) => ({
    topics: topics.map(({ topic, partitions }) => ({ topic, partitions: partitions.map(({ partition }) => ({ errorCode, partition })) })),
  }),
})

interface PartitionAsked {
  readonly partition: number
  readonly currentLeaderEpoch: number
  readonly leaderEpoch: number
}

function endOf(asked: PartitionAsked, topic: string, context: RequestContext): PartitionAnswer {
  const { partition, currentLeaderEpoch, leaderEpoch } = asked
  const log = ledPartition(context, topic, partition)
  if (typeof log === 'string') return failed(partition, log)
  const refusal = epochRefusal(log, currentLeaderEpoch)
  if (refusal !== undefined) return failed(partition, refusal)
  const end = log.epochs.endOffsetFor(leaderEpoch, log.nextOffset)
  return { errorCode: kafkaErrors.NONE, partition, leaderEpoch: end?.epoch ?? -1, endOffset: end?.endOffset ?? -1 }
}

function failed(partition: number, error: KafkaErrorName): PartitionAnswer {
  return { errorCode: kafkaErrors[error], partition }
}
