/*
 * Heartbeat (12): a member of a group says that it is there, and hears of a rebalance. Spec: Kafka's protocol, HeartbeatRequest and
 * HeartbeatResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { groupRefusal } from '../coordination.ts'

/** Heartbeat. */
export const heartbeat = defineApi({
  key: 12,
  name: 'Heartbeat',
  // 3: static members. 4: flexible.
  request: message('HeartbeatRequest', { versions: [0, 4], flexible: 4 }, {
    groupId: string(),
    generationId: int32(),
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null }),
  }),
  // 1: throttle time. 4: flexible.
  response: message('HeartbeatResponse', { versions: [0, 4], flexible: 4 }, {
    throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
    errorCode: int16(),
  }),
  async handle({ groupId, memberId, groupInstanceId, generationId: generation }, context) {
    const refused = groupRefusal(context, 'READ', groupId)
    if (refused !== undefined) return { errorCode: kafkaErrors[refused] }
    const groups = await context.cluster.groups()
    return { errorCode: kafkaErrors[groups.heartbeat({ groupId, memberId, groupInstanceId, generation }).error] }
  },
  refuse: (_request, errorCode) => ({ errorCode }),
})
