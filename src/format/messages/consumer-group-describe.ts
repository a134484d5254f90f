/*
 * The messages of ConsumerGroupDescribe (69): consumer groups of the newer protocol (KIP-848), with what each member has and shall have. Spec:
 * Kafka's protocol, ConsumerGroupDescribeRequest and ConsumerGroupDescribeResponse.
 */
import { array, boolean, int16, int32, int8, message, string, struct, uuid } from '../schema.ts'
import { OPERATIONS_NOT_ASKED } from './authorized-operations.ts'

/** Kafka's numbers for what a member speaks. */
export const memberTypes = { unknown: -1, classic: 0, consumer: 1 } as const

const assignment = struct({
  topicPartitions: array({ topicId: uuid(), topicName: string(), partitions: array(int32()) }),
})

/** What a client asks. */
export const consumerGroupDescribeRequest = message('ConsumerGroupDescribeRequest', { versions: [0, 1], flexible: 0 }, {
  groupIds: array(string()),
  includeAuthorizedOperations: boolean({ default: false }),
})

/** What a coordinator answers. 1: whether a member speaks the classic protocol. */
export const consumerGroupDescribeResponse = message('ConsumerGroupDescribeResponse', { versions: [0, 1], flexible: 0 }, {
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
