/*
 * ConsumerGroupHeartbeat (68): a member of a consumer group of the newer protocol (KIP-848) joins, says that it is there and what it has, hears
 * what it is to have, and leaves. Spec: Kafka's protocol, ConsumerGroupHeartbeatRequest and ConsumerGroupHeartbeatResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, message, string, struct, uuid } from '../../format/schema.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { defineApi } from '../api.ts'
import { type Cluster } from '../cluster.ts'
import { keptConfigs } from '../configs/kept-configs.ts'
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
    const mayRead = (topic: string): boolean => cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', topic)
    if (!cluster.authorizer.allows(connection, 'READ', 'GROUP', groupId)) return failed(kafkaErrors.GROUP_AUTHORIZATION_FAILED)
    if (topicNames?.every(mayRead) === false) return failed(kafkaErrors.TOPIC_AUTHORIZATION_FAILED)
    if (!coordinates(context, 'group', groupId)) return failed(kafkaErrors.NOT_COORDINATOR)
    const groups = withSettings(await cluster.groups(), cluster)
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

/** Coordinators that know already where the configs of groups are kept. */
const settled = new WeakSet<GroupCoordinator>()

/** Lets groups do as their configs say that clients have set. */
function withSettings(groups: GroupCoordinator, { kept }: Cluster): GroupCoordinator {
  if (settled.has(groups)) return groups
  settled.add(groups)
  groups.useGroupSettings((groupId) => {
    const configs = keptConfigs(kept, 'group-configs', groupId)
    const [session, heartbeat] = [configs.get('consumer.session.timeout.ms'), configs.get('consumer.heartbeat.interval.ms')]
    return {
      ...(session !== undefined && { sessionTimeoutMs: Number(session) }), ...(heartbeat !== undefined && { heartbeatIntervalMs: Number(heartbeat) }),
    }
  })
  return groups
}

function failed(errorCode: number): Encodable<typeof response> {
  return { errorCode }
}
