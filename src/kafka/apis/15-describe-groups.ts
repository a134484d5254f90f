/*
 * DescribeGroups (15): the state of groups of the classic protocol and their members. Spec: Kafka's protocol, DescribeGroupsRequest and
 * DescribeGroupsResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { OPERATIONS_NOT_ASKED } from '../../format/messages/authorized-operations.ts'
import { array, boolean, bytes, type Encodable, int16, int32, message, string } from '../../format/schema.ts'
import { type GroupCoordinator } from '../../topics/groups/coordinator.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { authorizedOperations } from '../authorized-operations.ts'
import { groupRefusal } from '../coordination.ts'

// 1: throttle time. 3: authorised operations. 4: static members. 5: flexible. 6: error message, and an error for a group that is not there.
const response = message('DescribeGroupsResponse', { versions: [0, 6], flexible: 5 }, {
  throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
  groups: array({
    errorCode: int16(),
    errorMessage: string({ since: 6, nullable: 6, default: null }),
    groupId: string(),
    groupState: string(),
    protocolType: string(),
    protocolData: string(),
    members: array({
      memberId: string(),
      groupInstanceId: string({ since: 4, nullable: 4, default: null, ignorable: true }),
      clientId: string(),
      clientHost: string(),
      memberMetadata: bytes(),
      memberAssignment: bytes(),
    }),
    authorizedOperations: int32({ since: 3, default: OPERATIONS_NOT_ASKED }),
  }),
})

const FORBIDDEN = 'GROUP_AUTHORIZATION_FAILED'

type Described = Encodable<typeof response>['groups'][number]

/** DescribeGroups. */
export const describeGroups = defineApi({
  key: 15,
  name: 'DescribeGroups',
  // 3: authorised operations. 5: flexible. 6: a group that is not there is an error.
  request: message('DescribeGroupsRequest', { versions: [0, 6], flexible: 5 }, {
    groups: array(string()),
    includeAuthorizedOperations: boolean({ since: 3, default: false }),
  }),
  response,
  async handle({ groups: asked, includeAuthorizedOperations }, context) {
    const groups = await context.cluster.groups()
    const refusals = [...new Set(asked)].map((groupId) => ({ groupId, error: groupRefusal(context, 'DESCRIBE', groupId, { named: false }) }))
    // As Kafka has it: those that the peer may not see come first.
    const hidden = refusals.filter(({ error }) => error === FORBIDDEN).map(({ groupId }) => failed(groupId, kafkaErrors[FORBIDDEN]))
    const seen = refusals.filter(({ error }) => error !== FORBIDDEN).map(({ groupId, error }) => {
      const group = error === undefined ? described(groupId, groups, context) : failed(groupId, kafkaErrors[error])
      if (!includeAuthorizedOperations || group.errorCode !== kafkaErrors.NONE) return group
      const { cluster, connection } = context
      return { ...group, authorizedOperations: authorizedOperations(cluster.discreet, connection, 'GROUP', groupId) }
    })
    return { groups: [...hidden, ...seen] }
  },
  refuse: ({ groups }, errorCode) => ({ groups: groups.map((groupId) => failed(groupId, errorCode)) }),
})

function described(groupId: string, groups: GroupCoordinator, { version }: RequestContext): Described {
  const group = groups.describe(groupId)
  if (group === undefined || group.type !== 'classic') {
    const dead = { ...failed(groupId, kafkaErrors.NONE), groupState: 'Dead' }
    if (version < 6) return dead
    const errorMessage = group === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a classic group.`
    return { ...dead, errorCode: kafkaErrors.GROUP_ID_NOT_FOUND, errorMessage }
  }
  const { state, protocolType, protocol, members } = group
  return {
    errorCode: kafkaErrors.NONE, groupId, groupState: state, protocolType, protocolData: protocol,
    members: members.map(({ memberId, groupInstanceId, clientId, clientHost, metadata, assignment }) => (
      { memberId, groupInstanceId, clientId, clientHost, memberMetadata: metadata, memberAssignment: assignment }
    )),
  }
}

function failed(groupId: string, errorCode: number): Described {
  return { errorCode, groupId, groupState: '', protocolType: '', protocolData: '', members: [] }
}
