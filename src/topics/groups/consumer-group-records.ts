/*
 * What is stored of consumer groups (KIP-848), to the records of the offsets topic and back: one record for what a member says of itself, one
 * for what it shall have, one for what it has, and a few for the group. The layouts are format/consumer-offsets.ts, Kafka's own.
 */
import { keptCopy } from '../../base/bytes.ts'
import { encodeOffsetsRecord, type OffsetsRecord } from '../../format/consumer-offsets.ts'
import { type ConsumerMember, memberStates } from './consumer-member.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'
import { partitionLists, type PartitionSets, partitionSets } from './partition-sets.ts'

/** A record of a consumer group, as it is read. */
export type ConsumerGroupRecord = Extract<OffsetsRecord, { readonly kind: `consumerGroup${string}` }>

/** What a pattern stood for when it was last looked at. */
export interface ResolvedPattern {
  /** Names of topics, in their order. */
  readonly topics: readonly string[]
  /** Ms since 1970. */
  readonly timestamp: number
}

type ValueOf<Kind extends ConsumerGroupRecord['kind']> = NonNullable<Extract<ConsumerGroupRecord, { readonly kind: Kind }>['value']>

/** The epoch of a group, with the hash of the topics that it reads. */
export function epochRecord(groupId: string, epoch: number, metadataHash: bigint): OffsetsLogRecord {
  return encodeOffsetsRecord({ kind: 'consumerGroupMetadata', key: { groupId }, value: { epoch, metadataHash } })
}

/** What a member says of itself. */
export function memberRecord(groupId: string, member: ConsumerMember): OffsetsLogRecord {
  const { memberId, instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, serverAssignor, classic } = member
  return encodeOffsetsRecord({
    kind: 'consumerGroupMemberMetadata', key: { groupId, memberId },
    value: {
      instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs: Math.min(rebalanceTimeoutMs, 0x7fff_ffff), serverAssignor,
      subscribedTopicNames: member.topicNames, subscribedTopicRegex: member.topicPattern,
      classicMemberMetadata: classic === null
        ? null
        : { sessionTimeoutMs: Math.min(classic.sessionTimeoutMs, 0x7fff_ffff), supportedProtocols: classic.protocols },
    },
  })
}

/** What a member shall have. */
export function targetRecord(groupId: string, memberId: string, target: PartitionSets): OffsetsLogRecord {
  const value = { topicPartitions: partitionLists(target) }
  return encodeOffsetsRecord({ kind: 'consumerGroupTargetAssignmentMember', key: { groupId, memberId }, value })
}

/** The epoch for which it was last decided who shall have what. */
export function targetEpochRecord(groupId: string, assignmentEpoch: number): OffsetsLogRecord {
  return encodeOffsetsRecord({ kind: 'consumerGroupTargetAssignmentMetadata', key: { groupId }, value: { assignmentEpoch } })
}

/** What a member has, and where it is on its way. */
export function placeRecord(groupId: string, member: ConsumerMember): OffsetsLogRecord {
  const { memberId, memberEpoch, previousEpoch, state, assigned, revoking } = member
  return encodeOffsetsRecord({
    kind: 'consumerGroupCurrentMemberAssignment', key: { groupId, memberId },
    value: {
      memberEpoch, previousMemberEpoch: previousEpoch, state: memberStates.indexOf(state),
      assignedPartitions: partitionLists(assigned), partitionsPendingRevocation: partitionLists(revoking),
    },
  })
}

/** What a pattern stands for. */
export function patternRecord(groupId: string, regularExpression: string, { topics, timestamp }: ResolvedPattern): OffsetsLogRecord {
  const value = { topics, version: 0, timestamp }
  return encodeOffsetsRecord({ kind: 'consumerGroupRegularExpression', key: { groupId, regularExpression }, value })
}

/** Takes a pattern away. */
export function patternTombstone(groupId: string, regularExpression: string): OffsetsLogRecord {
  return encodeOffsetsRecord({ kind: 'consumerGroupRegularExpression', key: { groupId, regularExpression }, value: null })
}

/** Takes a member away; in this order, so that a reader of the half finds no member without what belongs to it. */
export function memberTombstones(groupId: string, memberId: string): OffsetsLogRecord[] {
  const key = { groupId, memberId }
  return [
    encodeOffsetsRecord({ kind: 'consumerGroupCurrentMemberAssignment', key, value: null }),
    encodeOffsetsRecord({ kind: 'consumerGroupTargetAssignmentMember', key, value: null }),
    encodeOffsetsRecord({ kind: 'consumerGroupMemberMetadata', key, value: null }),
  ]
}

/** Takes the group away, once its members and patterns are. */
export function groupTombstones(groupId: string): OffsetsLogRecord[] {
  const key = { groupId }
  return [
    encodeOffsetsRecord({ kind: 'consumerGroupTargetAssignmentMetadata', key, value: null }),
    encodeOffsetsRecord({ kind: 'consumerGroupPartitionMetadata', key, value: null }),
    encodeOffsetsRecord({ kind: 'consumerGroupMetadata', key, value: null }),
  ]
}

/** A member with what a record says that it said. Bytes are copied. */
export function withSaying(member: ConsumerMember, value: ValueOf<'consumerGroupMemberMetadata'>): ConsumerMember {
  const { instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, serverAssignor, classicMemberMetadata: classic } = value
  return {
    ...member, instanceId, rackId, clientId, clientHost, rebalanceTimeoutMs, serverAssignor,
    topicNames: [...value.subscribedTopicNames].sort(), topicPattern: value.subscribedTopicRegex ?? '',
    classic: classic === null ? null : {
      sessionTimeoutMs: classic.sessionTimeoutMs,
      protocols: classic.supportedProtocols.map(({ name, metadata }) => ({ name, metadata: keptCopy(metadata) })),
    },
  }
}

/** A member at the place that a record says. A state of a later Kafka counts as stable. */
export function withPlace(member: ConsumerMember, value: ValueOf<'consumerGroupCurrentMemberAssignment'>): ConsumerMember {
  return {
    ...member, memberEpoch: value.memberEpoch, previousEpoch: value.previousMemberEpoch, state: memberStates[value.state] ?? 'stable',
    assigned: partitionSets(value.assignedPartitions), revoking: partitionSets(value.partitionsPendingRevocation),
  }
}
