/*
 * JoinGroup (11): somebody becomes a member of a group, or takes part in its next generation. Answered when all have come, or their time is
 * up. Spec: Kafka's protocol, JoinGroupRequest and JoinGroupResponse.
 */
import { keptCopy } from '../../base/bytes.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, boolean, bytes, type Decoded, type Encodable, int16, int32, message, string } from '../../format/schema.ts'
import { type JoinAnswer, type JoinRequest, refusedJoin } from '../../topics/groups/group-messages.ts'
import { defineApi, type RequestContext } from '../api.ts'
import { groupRefusal } from '../coordination.ts'

// 1: time of a rebalance. 4: a new member is given its id first. 5: static members. 6: flexible. 7: protocol type. 8: reason.
// 9: an assignment may be skipped.
const request = message('JoinGroupRequest', { versions: [0, 9], flexible: 6 }, {
  groupId: string(),
  sessionTimeoutMs: int32(),
  rebalanceTimeoutMs: int32({ since: 1, default: -1, ignorable: true }),
  memberId: string(),
  groupInstanceId: string({ since: 5, nullable: 5, default: null }),
  protocolType: string(),
  protocols: array({ name: string(), metadata: bytes() }),
  reason: string({ since: 8, nullable: 8, default: null, ignorable: true }),
})

// 2: throttle time. 5: static members. 6: flexible. 7: protocol type, and null for no protocol. 9: an assignment may be skipped.
const response = message('JoinGroupResponse', { versions: [0, 9], flexible: 6 }, {
  throttleTimeMs: int32({ since: 2, default: 0, ignorable: true }),
  errorCode: int16(),
  generationId: int32({ default: -1 }),
  protocolType: string({ since: 7, nullable: 7, default: null, ignorable: true }),
  protocolName: string({ nullable: 7 }),
  leader: string(),
  skipAssignment: boolean({ since: 9, default: false }),
  memberId: string(),
  members: array({
    memberId: string(),
    groupInstanceId: string({ since: 5, nullable: 5, default: null, ignorable: true }),
    metadata: bytes(),
  }),
})

type Request = Decoded<typeof request>

/** JoinGroup. */
export const joinGroup = defineApi({
  key: 11,
  name: 'JoinGroup',
  request,
  response,
  async handle(asked, context) {
    const { groupId, memberId, sessionTimeoutMs, protocols } = asked
    const { groupMinSessionTimeoutMs, groupMaxSessionTimeoutMs, groupMaxMemberBytes } = context.cluster.groupSettings
    const refused = groupRefusal(context, 'READ', groupId)
    if (refused === 'GROUP_AUTHORIZATION_FAILED') return failed(kafkaErrors[refused], context)
    if (refused === 'INVALID_GROUP_ID') return encodable(refusedJoin(refused, memberId), context)
    if (sessionTimeoutMs < groupMinSessionTimeoutMs || sessionTimeoutMs > groupMaxSessionTimeoutMs) {
      return encodable(refusedJoin('INVALID_SESSION_TIMEOUT', memberId), context)
    }
    if (refused !== undefined) return encodable(refusedJoin(refused), context)
    // Kafka says so when it stores the group.
    const bytes = protocols.reduce((sum, { name, metadata }) => sum + name.length + metadata.length, 0)
    if (bytes > groupMaxMemberBytes) return encodable(refusedJoin('UNKNOWN_SERVER_ERROR', memberId), context)
    const groups = await context.cluster.groups()
    return encodable(await groups.join(joining(asked, context)), context)
  },
  refuse: (_asked, errorCode, context) => failed(errorCode, context),
})

function joining(asked: Request, { version, clientId, connection, cluster: { groupSettings } }: RequestContext): JoinRequest {
  const { groupId, memberId, groupInstanceId, protocolType, protocols, sessionTimeoutMs } = asked
  return {
    groupId, memberId, groupInstanceId, clientId, clientHost: connection.host, protocolType, sessionTimeoutMs,
    // What the first version cannot say.
    rebalanceTimeoutMs: version === 0 ? sessionTimeoutMs : asked.rebalanceTimeoutMs,
    // Views of a request that is gone soon.
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata: keptCopy(metadata) })),
    requireKnownMemberId: version >= 4, supportsSkippingAssignment: version >= 9,
    maxSize: groupSettings.groupMaxSize, initialRebalanceDelayMs: groupSettings.groupInitialRebalanceDelayMs,
  }
}

function encodable(answer: JoinAnswer, { version }: RequestContext): Encodable<typeof response> {
  const { error, memberId, generation, protocolType, leader, skipAssignment, members } = answer
  return {
    errorCode: kafkaErrors[error], memberId, generationId: generation, protocolType, leader, skipAssignment, members,
    protocolName: answer.protocolName ?? (version >= 7 ? null : ''),
  }
}

function failed(errorCode: number, { version }: RequestContext): Encodable<typeof response> {
  return { errorCode, memberId: '', leader: '', protocolName: version >= 7 ? null : '', members: [] }
}
