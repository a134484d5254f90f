/*
 * ConsumerGroupHeartbeat (68): a member of a consumer group of the newer protocol (KIP-848) joins, says that it is there and what it has, hears
 * what it is to have, and leaves. Spec: Kafka's protocol, ConsumerGroupHeartbeatRequest and ConsumerGroupHeartbeatResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, message, string, struct, uuid } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { coordinates } from '../coordination.ts'

/** The first version in which members name themselves. */
const NAMES_ITSELF = 1

const response = message('ConsumerGroupHeartbeatResponse', { versions: [0, 1], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16(),
  errorMessage: string({ nullable: 0, default: null }),
  memberId: string({ nullable: 0, default: null }),
  memberEpoch: int32({ default: 0 }),
  heartbeatIntervalMs: int32({ default: 0 }),
  assignment: struct({
    topicPartitions: array({ topicId: uuid(), partitions: array(int32()) }),
  }, { nullable: 0, default: null }),
})

/** ConsumerGroupHeartbeat. */
export const consumerGroupHeartbeat = defineApi({
  key: 68,
  name: 'ConsumerGroupHeartbeat',
  // 1: patterns of topics; members make their own ids.
  request: message('ConsumerGroupHeartbeatRequest', { versions: [0, 1], flexible: 0 }, {
    groupId: string(),
    memberId: string(),
    memberEpoch: int32(),
    instanceId: string({ nullable: 0, default: null }),
    rackId: string({ nullable: 0, default: null }),
    rebalanceTimeoutMs: int32({ default: -1 }),
    subscribedTopicNames: array(string(), { nullable: 0, default: null }),
    subscribedTopicRegex: string({ since: 1, nullable: 1, default: null }),
    serverAssignor: string({ nullable: 0, default: null }),
    topicPartitions: array({ topicId: uuid(), partitions: array(int32()) }, { nullable: 0, default: null }),
  }),
  response,
  async handle(request, context) {
    const { cluster, connection, version, clientId } = context
    const { groupId, memberId, memberEpoch, instanceId, rackId, rebalanceTimeoutMs, serverAssignor, subscribedTopicNames: topicNames } = request
    const maySee = (topic: string): boolean => cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', topic)
    const mayRead = (topic: string): boolean => cluster.discreet.allows(connection, 'DESCRIBE', 'TOPIC', topic)
    if (!cluster.authorizer.allows(connection, 'READ', 'GROUP', groupId)) return failed(kafkaErrors.GROUP_AUTHORIZATION_FAILED)
    if (topicNames?.every(maySee) === false) return failed(kafkaErrors.TOPIC_AUTHORIZATION_FAILED)
    if (!coordinates(context, 'group', groupId)) return failed(kafkaErrors.NOT_COORDINATOR)
    if (bytesOf(topicNames) > cluster.groupSettings.groupMaxMemberBytes) return failed(kafkaErrors.UNKNOWN_SERVER_ERROR)
    const groups = await cluster.groups()
    const answer = await groups.consumerHeartbeat({
      groupId, memberId, memberEpoch, instanceId, rackId, rebalanceTimeoutMs, topicNames, serverAssignor, owned: request.topicPartitions,
      topicPattern: request.subscribedTopicRegex, clientId, clientHost: connection.host, namesItself: version >= NAMES_ITSELF, mayRead,
    })
    const { error, message: errorMessage, heartbeatIntervalMs, assignment } = answer
    return {
      errorCode: kafkaErrors[error], errorMessage, memberId: answer.memberId, memberEpoch: answer.memberEpoch, heartbeatIntervalMs,
      assignment: assignment === null ? null : { topicPartitions: assignment },
    }
  },
  refuse: (_request, errorCode) => failed(errorCode),
})

function failed(errorCode: number): Encodable<typeof response> {
  return { errorCode }
}

function bytesOf(names: readonly string[] | null): number {
  return (names ?? []).reduce((bytes, name) => bytes + name.length, 0)
}
