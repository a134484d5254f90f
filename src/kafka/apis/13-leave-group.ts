/*
 * LeaveGroup (13): members leave a group, or an admin client takes them out of it. Spec: Kafka's protocol, LeaveGroupRequest and
 * LeaveGroupResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Decoded, type Encodable, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { groupRefusal } from '../coordination.ts'

// 3: several members, by instance too. 4: flexible. 5: reason.
const request = message('LeaveGroupRequest', { versions: [0, 5], flexible: 4 }, {
  groupId: string(),
  memberId: string({ until: 2, default: '' }),
  members: array({
    memberId: string(),
    groupInstanceId: string({ nullable: 3, default: null }),
    reason: string({ since: 5, nullable: 5, default: null, ignorable: true }),
  }, { since: 3, default: [] }),
})

// 1: throttle time. 3: an error for each member. 4: flexible.
const response = message('LeaveGroupResponse', { versions: [0, 5], flexible: 4 }, {
  throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
  errorCode: int16(),
  members: array({
    memberId: string(),
    groupInstanceId: string({ nullable: 3 }),
    errorCode: int16(),
  }, { since: 3, default: [] }),
})

/** LeaveGroup. */
export const leaveGroup = defineApi({
  key: 13,
  name: 'LeaveGroup',
  request,
  response,
  async handle({ groupId, memberId, members }, context) {
    const refused = groupRefusal(context, 'READ', groupId)
    if (refused !== undefined) return { errorCode: kafkaErrors[refused] }
    const groups = await context.cluster.groups()
    const leaving = context.version >= 3 ? members : [{ memberId, groupInstanceId: null }]
    return encodable(groups.leave({ groupId, members: leaving }), context)
  },
  refuse: (_request: Decoded<typeof request>, errorCode) => ({ errorCode }),
})

type Left = ReturnType<Awaited<ReturnType<RequestContext['cluster']['groups']>>['leave']>

/** Where only one can leave, its error is that of the whole. */
function encodable({ error, members }: Left, { version }: RequestContext): Encodable<typeof response> {
  if (version < 3) return { errorCode: kafkaErrors[error === 'NONE' ? members[0]!.error : error] }
  return {
    errorCode: kafkaErrors[error],
    members: members.map(({ memberId, groupInstanceId, error: its }) => ({ memberId, groupInstanceId, errorCode: kafkaErrors[its] })),
  }
}
