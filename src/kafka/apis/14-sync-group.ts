/*
 * SyncGroup (14): a member asks what it is assigned; the leader brings the assignment of all. Spec: Kafka's protocol, SyncGroupRequest and
 * SyncGroupResponse.
 */
import { keptCopy } from '../../base/bytes.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, bytes, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { groupRefusal } from '../coordination.ts'

const NOTHING = Buffer.alloc(0)

/** SyncGroup. */
export const syncGroup = defineApi({
  key: 14,
  name: 'SyncGroup',
  // 3: static members. 4: flexible. 5: protocol.
  request: message('SyncGroupRequest', { versions: [0, 5], flexible: 4 }, {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null }),
    protocolType: string({ since: 5, nullable: 5, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: 5, default: null, ignorable: true }),
    assignments: array({ memberId: string(), assignment: bytes() }),
  }),
  // 1: throttle time. 4: flexible. 5: protocol.
  response: message('SyncGroupResponse', { versions: [0, 5], flexible: 4 }, {
    throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
    errorCode: int16(),
    protocolType: string({ since: 5, nullable: 5, default: null, ignorable: true }),
    protocolName: string({ since: 5, nullable: 5, default: null, ignorable: true }),
    assignment: bytes(),
  }),
  async handle({ groupId, generationId: generation, memberId, groupInstanceId, protocolType, protocolName, assignments }, context) {
    // Whoever can say which protocol it means must.
    const silent = context.version >= 5 && (protocolType === null || protocolName === null)
    const refused = silent ? 'INCONSISTENT_GROUP_PROTOCOL' : groupRefusal(context, 'READ', groupId)
    if (refused !== undefined) return { errorCode: kafkaErrors[refused], assignment: NOTHING }
    const groups = await context.cluster.groups()
    const answer = await groups.sync({
      groupId, memberId, groupInstanceId, generation, protocolType, protocolName,
      // Views of a request that is gone soon.
      assignments: assignments.map((one) => ({ memberId: one.memberId, assignment: keptCopy(one.assignment) })),
      maxBytes: context.cluster.groupSettings.groupMaxMemberBytes,
    })
    return {
      errorCode: kafkaErrors[answer.error], protocolType: answer.protocolType, protocolName: answer.protocolName, assignment: answer.assignment,
    }
  },
  refuse: (_request, errorCode) => ({ errorCode, assignment: NOTHING }),
})
