/*
 * What is in `__consumer_offsets`: committed offsets, classic groups, groups of the new protocol (KIP-848) and share groups. Not here:
 * when which of them is written (topics/coordinator.ts), nor records of streams groups, which decode as unknown.
 *
 * Names and layouts are Kafka's (group-coordinator's message definitions, 4.1); a tagged field of a later Kafka is marked with its KIP.
 */
import { coordinatorRecords, type CoordinatorRecord, type CoordinatorRecordInput, type UnknownRecord } from './coordinator-records.ts'
import { array, bigint64, bytes, int32, int64, int8, message, string, struct, uuid } from './schema.ts'

/* ---- committed offsets: types 0 and 1 ---- */

/** Types 0 and 1 are alike; 1 is written. */
export const offsetCommitKey = message('OffsetCommitKey', { versions: [0, 0] }, {
  group: string(),
  topic: string(),
  partition: int32(),
})

// Version 1 adds expireTimestamp and version 2 removes it: Kafka still writes 1 for a commit with a retention time of its own.
// Version 3 adds leaderEpoch. Version 4 is flexible; Kafka writes 3 up to 3.9, and 4 from 4.0 on.
/** The value of a committed offset. */
export const offsetCommitValue = message('OffsetCommitValue', { versions: [0, 4], flexible: 4 }, {
  offset: int64(),
  leaderEpoch: int32({ since: 3, default: -1, ignorable: true }),
  metadata: string(),
  commitTimestamp: int64(),
  expireTimestamp: int64({ since: 1, until: 1, default: -1, ignorable: true }),
})

/* ---- classic groups: type 2 ---- */

/** The key of a classic group. */
export const groupMetadataKey = message('GroupMetadataKey', { versions: [0, 0] }, {
  group: string(),
})

// Version 1 adds rebalanceTimeout, 2 currentStateTimestamp, 3 groupInstanceId. Version 4 is flexible; Kafka 4.1 still writes 3.
/** A classic group at the end of a rebalance. Subscription and assignment are the protocol's own bytes: consumer-protocol.ts. */
export const groupMetadataValue = message('GroupMetadataValue', { versions: [0, 4], flexible: 4 }, {
  protocolType: string(),
  generation: int32(),
  protocol: string({ nullable: 0 }),
  leader: string({ nullable: 0 }),
  currentStateTimestamp: int64({ since: 2, default: -1, ignorable: true }),
  members: array({
    memberId: string(),
    groupInstanceId: string({ since: 3, nullable: 3, default: null, ignorable: true }),
    clientId: string(),
    clientHost: string(),
    rebalanceTimeout: int32({ since: 1, default: -1, ignorable: true }),
    sessionTimeout: int32(),
    subscription: bytes(),
    assignment: bytes(),
  }),
})

/* ---- groups of the new protocol: types 3 to 8 and 16 ---- */

const groupKey = { groupId: string() }
const memberKey = { groupId: string(), memberId: string() }
const topicPartitions = { topicId: uuid(), partitions: array(int32()) }
const partitionMetadata = {
  topics: array({
    topicId: uuid(),
    topicName: string(),
    numPartitions: int32(),
    partitionMetadata: array({ partition: int32(), racks: array(string()) }),
  }),
}

const consumerGroupMetadataKey = message('ConsumerGroupMetadataKey', { versions: [0, 0] }, groupKey)
const consumerGroupMetadataValue = message('ConsumerGroupMetadataValue', { versions: [0, 0], flexible: 0 }, {
  epoch: int32(),
  metadataHash: bigint64({ tag: 0, default: 0n }), // KIP-1101, 4.1: all bits used
  creationTimeMs: int64({ tag: 1, default: -1 }), // KIP-1282
})

// Written up to 4.0; since then only as a tombstone.
const consumerGroupPartitionMetadataKey = message('ConsumerGroupPartitionMetadataKey', { versions: [0, 0] }, groupKey)
const consumerGroupPartitionMetadataValue = message('ConsumerGroupPartitionMetadataValue', { versions: [0, 0], flexible: 0 }, partitionMetadata)

const consumerGroupMemberMetadataKey = message('ConsumerGroupMemberMetadataKey', { versions: [0, 0] }, memberKey)
const consumerGroupMemberMetadataValue = message('ConsumerGroupMemberMetadataValue', { versions: [0, 0], flexible: 0 }, {
  instanceId: string({ nullable: 0 }),
  rackId: string({ nullable: 0 }),
  clientId: string(),
  clientHost: string(),
  subscribedTopicNames: array(string()),
  subscribedTopicRegex: string({ nullable: 0 }),
  rebalanceTimeoutMs: int32({ default: -1 }),
  serverAssignor: string({ nullable: 0 }),
  // Of a member that still speaks the classic protocol; else null. As in Kafka null is not the default, so it is written.
  classicMemberMetadata: struct(
    { sessionTimeoutMs: int32(), supportedProtocols: array({ name: string(), metadata: bytes() }) },
    { tag: 0, nullable: 0 },
  ),
})

const consumerGroupTargetAssignmentMetadataKey = message('ConsumerGroupTargetAssignmentMetadataKey', { versions: [0, 0] }, groupKey)
const consumerGroupTargetAssignmentMetadataValue = message('ConsumerGroupTargetAssignmentMetadataValue', { versions: [0, 0], flexible: 0 }, {
  assignmentEpoch: int32(),
  assignmentTimestamp: int64({ tag: 0, default: 0 }), // KIP-1263
})

const consumerGroupTargetAssignmentMemberKey = message('ConsumerGroupTargetAssignmentMemberKey', { versions: [0, 0] }, memberKey)
const consumerGroupTargetAssignmentMemberValue = message('ConsumerGroupTargetAssignmentMemberValue', { versions: [0, 0], flexible: 0 }, {
  topicPartitions: array(topicPartitions),
})

const ownedPartitions = {
  ...topicPartitions,
  assignmentEpochs: array(int32(), { tag: 0, nullable: 0, default: [] }), // KIP-1251: one for each of the partitions
}
const consumerGroupCurrentMemberAssignmentKey = message('ConsumerGroupCurrentMemberAssignmentKey', { versions: [0, 0] }, memberKey)
const consumerGroupCurrentMemberAssignmentValue = message('ConsumerGroupCurrentMemberAssignmentValue', { versions: [0, 0], flexible: 0 }, {
  memberEpoch: int32(), // -2 while a static member is away
  previousMemberEpoch: int32(),
  state: int8(),
  assignedPartitions: array(ownedPartitions),
  partitionsPendingRevocation: array(ownedPartitions),
})

const consumerGroupRegularExpressionKey = message('ConsumerGroupRegularExpressionKey', { versions: [0, 0] }, {
  groupId: string(),
  regularExpression: string(),
})
const consumerGroupRegularExpressionValue = message('ConsumerGroupRegularExpressionValue', { versions: [0, 0], flexible: 0 }, {
  topics: array(string()),
  version: int64(),
  timestamp: int64(),
})

/* ---- share groups (KIP-932): types 9 to 15 ---- */

const shareGroupPartitionMetadataKey = message('ShareGroupPartitionMetadataKey', { versions: [0, 0] }, groupKey)
const shareGroupPartitionMetadataValue = message('ShareGroupPartitionMetadataValue', { versions: [0, 0], flexible: 0 }, partitionMetadata)

const shareGroupMemberMetadataKey = message('ShareGroupMemberMetadataKey', { versions: [0, 0] }, memberKey)
const shareGroupMemberMetadataValue = message('ShareGroupMemberMetadataValue', { versions: [0, 0], flexible: 0 }, {
  rackId: string({ nullable: 0 }),
  clientId: string(),
  clientHost: string(),
  subscribedTopicNames: array(string()),
})

const shareGroupMetadataKey = message('ShareGroupMetadataKey', { versions: [0, 0] }, groupKey)
const shareGroupMetadataValue = message('ShareGroupMetadataValue', { versions: [0, 0], flexible: 0 }, {
  epoch: int32(),
  metadataHash: bigint64(),
})

const shareGroupTargetAssignmentMetadataKey = message('ShareGroupTargetAssignmentMetadataKey', { versions: [0, 0] }, groupKey)
const shareGroupTargetAssignmentMetadataValue = message('ShareGroupTargetAssignmentMetadataValue', { versions: [0, 0], flexible: 0 }, {
  assignmentEpoch: int32(),
})

const shareGroupTargetAssignmentMemberKey = message('ShareGroupTargetAssignmentMemberKey', { versions: [0, 0] }, memberKey)
const shareGroupTargetAssignmentMemberValue = message('ShareGroupTargetAssignmentMemberValue', { versions: [0, 0], flexible: 0 }, {
  topicPartitions: array(topicPartitions),
})

const shareGroupCurrentMemberAssignmentKey = message('ShareGroupCurrentMemberAssignmentKey', { versions: [0, 0] }, memberKey)
const shareGroupCurrentMemberAssignmentValue = message('ShareGroupCurrentMemberAssignmentValue', { versions: [0, 0], flexible: 0 }, {
  memberEpoch: int32(),
  previousMemberEpoch: int32(),
  state: int8(),
  assignedPartitions: array(topicPartitions),
})

// As in 4.1. A later Kafka adds a timestamp to each topic without a new version: those records fail to decode.
const shareTopic = { topicId: uuid(), topicName: string() }
const shareGroupStatePartitionMetadataKey = message('ShareGroupStatePartitionMetadataKey', { versions: [0, 0] }, groupKey)
const shareGroupStatePartitionMetadataValue = message('ShareGroupStatePartitionMetadataValue', { versions: [0, 0], flexible: 0 }, {
  initializingTopics: array({ ...shareTopic, partitions: array(int32()) }),
  initializedTopics: array({ ...shareTopic, partitions: array(int32()) }),
  deletingTopics: array(shareTopic),
})

/* ---- the topic ---- */

const kinds = {
  offsetCommit: { types: [1, 0], key: offsetCommitKey, value: offsetCommitValue, writes: 4 },
  groupMetadata: { types: [2], key: groupMetadataKey, value: groupMetadataValue, writes: 3 },
  consumerGroupMetadata: { types: [3], key: consumerGroupMetadataKey, value: consumerGroupMetadataValue, writes: 0 },
  consumerGroupPartitionMetadata: { types: [4], key: consumerGroupPartitionMetadataKey, value: consumerGroupPartitionMetadataValue, writes: 0 },
  consumerGroupMemberMetadata: { types: [5], key: consumerGroupMemberMetadataKey, value: consumerGroupMemberMetadataValue, writes: 0 },
  consumerGroupTargetAssignmentMetadata: {
    types: [6], key: consumerGroupTargetAssignmentMetadataKey, value: consumerGroupTargetAssignmentMetadataValue, writes: 0,
  },
  consumerGroupTargetAssignmentMember: {
    types: [7], key: consumerGroupTargetAssignmentMemberKey, value: consumerGroupTargetAssignmentMemberValue, writes: 0,
  },
  consumerGroupCurrentMemberAssignment: {
    types: [8], key: consumerGroupCurrentMemberAssignmentKey, value: consumerGroupCurrentMemberAssignmentValue, writes: 0,
  },
  shareGroupPartitionMetadata: { types: [9], key: shareGroupPartitionMetadataKey, value: shareGroupPartitionMetadataValue, writes: 0 },
  shareGroupMemberMetadata: { types: [10], key: shareGroupMemberMetadataKey, value: shareGroupMemberMetadataValue, writes: 0 },
  shareGroupMetadata: { types: [11], key: shareGroupMetadataKey, value: shareGroupMetadataValue, writes: 0 },
  shareGroupTargetAssignmentMetadata: {
    types: [12], key: shareGroupTargetAssignmentMetadataKey, value: shareGroupTargetAssignmentMetadataValue, writes: 0,
  },
  shareGroupTargetAssignmentMember: { types: [13], key: shareGroupTargetAssignmentMemberKey, value: shareGroupTargetAssignmentMemberValue, writes: 0 },
  shareGroupCurrentMemberAssignment: { types: [14], key: shareGroupCurrentMemberAssignmentKey, value: shareGroupCurrentMemberAssignmentValue, writes: 0 },
  shareGroupStatePartitionMetadata: { types: [15], key: shareGroupStatePartitionMetadataKey, value: shareGroupStatePartitionMetadataValue, writes: 0 },
  consumerGroupRegularExpression: { types: [16], key: consumerGroupRegularExpressionKey, value: consumerGroupRegularExpressionValue, writes: 0 },
} as const

/** A record of `__consumer_offsets`; `kind` tells which. */
export type OffsetsRecord = CoordinatorRecord<typeof kinds>

/** A record of `__consumer_offsets` to encode. */
export type OffsetsRecordInput = CoordinatorRecordInput<typeof kinds>

const codec = coordinatorRecords('__consumer_offsets', kinds)

/** Key and value of a record, written as Kafka 4.1 does unless the record names another type or version. A null value is a tombstone. */
export function encodeOffsetsRecord(record: OffsetsRecordInput): { key: Buffer; value: Buffer | null } {
  return codec.encode(record)
}

/**
 * A record of `__consumer_offsets` from its key and value; `unknown` for types that we do not have. Bytes in it are views.
 *
 * @throws LogError `LOG_DECODE_FAILED`, `LOG_VERSION_UNSUPPORTED`
 */
export function decodeOffsetsRecord(key: Uint8Array, value: Uint8Array | null): OffsetsRecord | UnknownRecord {
  return codec.decode(key, value)
}
