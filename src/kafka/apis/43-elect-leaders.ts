/*
 * ElectLeaders (43): every partition has its preferred leader already. Spec: Kafka's protocol, ElectLeadersRequest and ElectLeadersResponse;
 * KIP-460.
 */
import { array, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { hasPartition } from '../by-topic.ts'
import { type Refusal, refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** Of the preferred leader, and of any. */
const electionTypes = [0, 1]

const response = message('ElectLeadersResponse', { versions: [0, 2], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16({ since: 1, default: 0 }),
  replicaElectionResults: array({
    topic: string(),
    partitionResult: array({ partitionId: int32(), errorCode: int16(), errorMessage: string({ nullable: 0, default: null }) }),
  }),
})

/** ElectLeaders. */
export const electLeaders = defineApi({
  key: 43,
  name: 'ElectLeaders',
  // 1: kinds of elections (KIP-460). 2: flexible.
  request: message('ElectLeadersRequest', { versions: [0, 2], flexible: 2 }, {
    electionType: int8({ since: 1, default: 0 }),
    topicPartitions: array({ topic: string(), partitions: array(int32()) }, { nullable: 0 }),
    timeoutMs: int32({ default: 60_000 }),
  }),
  response,
  handle({ topicPartitions, electionType }, context) {
    const { cluster, connection } = context
    const refused = !cluster.authorizer.allows(connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE) ? refusal('CLUSTER_AUTHORIZATION_FAILED') :
      electionTypes.includes(electionType) ? undefined : refusal('INVALID_REQUEST', `Unknown election type ${electionType}`)
    // Who asks for all is told of those whose leader changed.
    const asked = topicPartitions ?? (refused === undefined ? cluster.topics.map(({ name }) => ({ topic: name, partitions: [] })) : [])
    return {
      errorCode: refused?.errorCode ?? kafkaErrors.NONE,
      replicaElectionResults: results(asked, (topic, partition) => refused ?? notNeeded(topic, partition, context)),
    }
  },
  refuse: ({ topicPartitions }, errorCode) => ({
    errorCode, replicaElectionResults: results(topicPartitions ?? [], () => ({ errorCode, errorMessage: null })),
  }),
})

function results(
  asked: readonly { readonly topic: string; readonly partitions: readonly number[] }[], result: (topic: string, partition: number) => Refusal,
): Encodable<typeof response>['replicaElectionResults'] {
  return asked.map(({ topic, partitions }) => ({
    topic, partitionResult: partitions.map((partitionId) => ({ partitionId, ...result(topic, partitionId) })),
  }))
}

function notNeeded(topic: string, partition: number, { cluster }: RequestContext): Refusal {
  if (cluster.topic(topic) === undefined) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `No such topic as ${topic}`)
  if (!hasPartition(cluster, topic, partition)) return refusal('UNKNOWN_TOPIC_OR_PARTITION', `No such partition as ${topic}-${partition}`)
  return refusal('ELECTION_NOT_NEEDED', 'Leader election not needed for topic partition.')
}
