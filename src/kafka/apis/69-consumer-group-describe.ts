/*
 * ConsumerGroupDescribe (69): consumer groups of the newer protocol (KIP-848), with what each member has and shall have.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse, memberTypes } from '../../format/messages/consumer-group-describe.ts'
import { type Encodable } from '../../format/schema.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { type ConsumerGroupDetails } from '../../topics/groups/consumer-group-messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { authorizedOperations } from '../authorized-operations.ts'
import { groupRefusal } from '../coordination.ts'

type Described = Encodable<typeof consumerGroupDescribeResponse>['groups'][number]

/** ConsumerGroupDescribe. */
export const consumerGroupDescribe = defineApi({
  key: 69,
  name: 'ConsumerGroupDescribe',
  request: consumerGroupDescribeRequest,
  response: consumerGroupDescribeResponse,
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
