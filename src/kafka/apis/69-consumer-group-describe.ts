/*
 * ConsumerGroupDescribe (69): consumer groups of the newer protocol (KIP-848), with what each member has and shall have. Spec: Kafka's protocol,
 * ConsumerGroupDescribeRequest and ConsumerGroupDescribeResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, boolean, type Encodable, int16, int32, int8, message, string, struct, uuid } from '../../format/schema.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { type ConsumerGroupDetails } from '../../topics/groups/consumer-group-messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { authorizedOperations, OPERATIONS_NOT_ASKED } from '../authorized-operations.ts'
import { groupRefusal } from '../coordination.ts'

/** Kafka's numbers for what a member speaks. */
const memberTypes = { unknown: -1, classic: 0, consumer: 1 } as const

const assignment = struct({
  topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: array(int32()) }),
})

const response = message('ConsumerGroupDescribeResponse', { versions: [0, 1], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  groups: array({
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
    groupId: string(),
    groupState: string({ default: '' }),
    groupEpoch: int32({ default: 0 }),
    assignmentEpoch: int32({ default: 0 }),
    assignorName: string({ default: '' }),
    members: array({
      memberId: string(),
      instanceId: string({ nullable: 0, default: null }),
      rackId: string({ nullable: 0, default: null }),
      memberEpoch: int32(),
      clientId: string(),
      clientHost: string(),
      subscribedTopicNames: array(string()),
      subscribedTopicRegex: string({ nullable: 0, default: null }),
      assignment,
      targetAssignment: assignment,
      memberType: int8({ since: 1, default: memberTypes.unknown, ignorable: true }),
    }, { default: [] }),
    authorizedOperations: int32({ default: OPERATIONS_NOT_ASKED }),
  }),
})

type Described = Encodable<typeof response>['groups'][number]

/** ConsumerGroupDescribe. */
export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  request: message('ConsumerGroupDescribeRequest', { versions: [0, 1], flexible: 0 }, {
    groupIds: array(string()),
    includeAuthorizedOperations: boolean(),
  }),
  // 1: whether a member speaks the classic protocol.
  response,
  async handle({ groupIds, includeAuthorizedOperations }, context) {
    const groups = await context.cluster.groups()
    const { discreet } = context.cluster
    const refusals = [...new Set(groupIds)].map((groupId) => ({ groupId, error: groupRefusal(context, 'DESCRIBE', groupId) }))
    // As Kafka has it: those that the peer may not see come first.
    const isHidden = ({ error }: { readonly error: string | undefined }): boolean => error === 'GROUP_AUTHORIZATION_FAILED'
    const answers = [...refusals.filter(isHidden), ...refusals.filter((one) => !isHidden(one))].map(({ groupId, error }) => {
      const group = error === undefined ? described(groupId, groups, context) : failed(groupId, kafkaErrors[error])
      if (!includeAuthorizedOperations || group.errorCode !== kafkaErrors.NONE) return group
      return { ...group, authorizedOperations: authorizedOperations(discreet, context.connection, 'GROUP', groupId) }
    })
    return { groups: answers }
  },
  refuse: ({ groupIds }, errorCode) => ({ groups: groupIds.map((groupId) => failed(groupId, errorCode)) }),
})

function described(groupId: string, groups: GroupCoordinator, { cluster, connection }: RequestContext): Described {
  const group = groups.describeConsumerGroup(groupId)
  if (group === undefined) {
    const words = groups.describe(groupId) === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`
    return failed(groupId, kafkaErrors.GROUP_ID_NOT_FOUND, words)
  }
  const maySee = (topic: string): boolean => cluster.authorizer.allows(connection, 'DESCRIBE', 'TOPIC', topic)
  if (!topicsOf(group).every(maySee)) {
    const words = 'The group has described topic(s) that the client is not authorized to describe.'
    return failed(groupId, kafkaErrors.TOPIC_AUTHORIZATION_FAILED, words)
  }
  const { state, groupEpoch, assignmentEpoch, assignorName, members } = group
  return {
    errorCode: kafkaErrors.NONE, groupId, groupState: state, groupEpoch, assignmentEpoch, assignorName,
    members: members.map(({ topicNames, topicPattern, assigned, target, classic, ...member }) => ({
      ...member, subscribedTopicNames: topicNames, subscribedTopicRegex: topicPattern, assignment: { topicPartitions: assigned },
      targetAssignment: { topicPartitions: target }, memberType: classic ? memberTypes.classic : memberTypes.consumer,
    })),
  }
}

/** The topics that members have or shall have. */
function topicsOf({ members }: ConsumerGroupDetails): string[] {
  return members.flatMap(({ assigned, target }) => [...assigned, ...target].map(({ topicName }) => topicName))
}

function failed(groupId: string, errorCode: number, errorMessage: string | null = null): Described {
  return { errorCode, errorMessage, groupId }
}
