/*
 * What is in `__consumer_offsets`: committed offsets, classic groups, groups of the new protocol (KIP-848) and share groups. Not here:
 * when which of them is written (topics/groups/coordinator.ts), nor records of streams groups, which decode as unknown.
 *
 * Names and layouts are Kafka's (group-coordinator's message definitions, 4.1); a tagged field of a later Kafka is marked with its KIP.
 */
import { getInt16, getInt32, getInt64 } from '../base/bytes.ts'
import { coordinatorRecords, type CoordinatorRecord, type CoordinatorRecordInput, type UnknownRecord } from './coordinator-records.ts'
import { array, bigint64, bytes, int32, int64, int8, message, string, struct, uuid } from './schema.ts'

/* ---- committed offsets: types 0 and 1 ---- */

/** Types 0 and 1 are alike; 1 is written. */
const offsetCommitKey = message('OffsetCommitKey', { versions: [0, 0] }, {
  group: string(),
  topic: string(),
  partition: int32(),
})

// Version 1 adds expireTimestamp and version 2 removes it: Kafka still writes 1 for a commit with a retention time of its own.
// Version 3 adds leaderEpoch. Version 4 is flexible; Kafka writes 3 up to 3.9, and 4 from 4.0 on.
/** The value of a committed offset. */
const offsetCommitValue = message('OffsetCommitValue', { versions: [0, 4], flexible: 4 }, {
  offset: int64(),
  leaderEpoch: int32({ since: 3, default: -1, ignorable: true }),
  metadata: string(),
  commitTimestamp: int64(),
  expireTimestamp: int64({ since: 1, until: 1, default: -1, ignorable: true }),
})

/* ---- classic groups: type 2 ---- */

/** The key of a classic group. */
const groupMetadataKey = message('GroupMetadataKey', { versions: [0, 0] }, {
  group: string(),
})

// Version 1 adds rebalanceTimeout, 2 currentStateTimestamp, 3 groupInstanceId. Version 4 is flexible; Kafka 4.1 still writes 3.
/** A classic group at the end of a rebalance. Subscription and assignment are the protocol's own bytes: consumer-protocol.ts. */
const groupMetadataValue = message('GroupMetadataValue', { versions: [0, 4], flexible: 4 }, {
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

/* ---- all types ---- */

const groupKey = message('GroupKey', { versions: [0, 0] }, { groupId: string() })
const memberKey = message('GroupMemberKey', { versions: [0, 0] }, { groupId: string(), memberId: string() })
const regularExpressionKey = message('ConsumerGroupRegularExpressionKey', { versions: [0, 0] }, { groupId: string(), regularExpression: string() })

/** What all values of the newer protocols have in common: they begin flexible, and grow by tagged fields. */
const only0 = { versions: [0, 0], flexible: 0 } as const

const topicPartitions = { topicId: uuid(), partitions: array(int32()) }
const ownedPartitions = {
  ...topicPartitions,
  assignmentEpochs: array(int32(), { tag: 0, nullable: 0, default: [] }), // KIP-1251: one for each of the partitions
}
const partitionMetadata = {
  topics: array({
    topicId: uuid(),
    topicName: string(),
    numPartitions: int32(),
    partitionMetadata: array({ partition: int32(), racks: array(string()) }),
  }),
}
const shareTopic = { topicId: uuid(), topicName: string() }
const shareTopicPartitions = { ...shareTopic, partitions: array(int32()) }

const kinds = {
  offsetCommit: { types: [1, 0], key: offsetCommitKey, value: offsetCommitValue, writes: 4 },
  groupMetadata: { types: [2], key: groupMetadataKey, value: groupMetadataValue, writes: 3 },

  // Groups of the new protocol (KIP-848)
  consumerGroupMetadata: kind(3, groupKey, message('ConsumerGroupMetadataValue', only0, {
    epoch: int32(),
    metadataHash: bigint64({ tag: 0, default: 0n }), // KIP-1101, 4.1: all bits used
    creationTimeMs: int64({ tag: 1, default: -1 }), // KIP-1282
  })),
  // Written up to 4.0; since then only as a tombstone.
  consumerGroupPartitionMetadata: kind(4, groupKey, message('ConsumerGroupPartitionMetadataValue', only0, partitionMetadata)),
  consumerGroupMemberMetadata: kind(5, memberKey, message('ConsumerGroupMemberMetadataValue', only0, {
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
  })),
  consumerGroupTargetAssignmentMetadata: kind(6, groupKey, message('ConsumerGroupTargetAssignmentMetadataValue', only0, {
    assignmentEpoch: int32(),
    assignmentTimestamp: int64({ tag: 0, default: 0 }), // KIP-1263
  })),
  consumerGroupTargetAssignmentMember: kind(7, memberKey, message('ConsumerGroupTargetAssignmentMemberValue', only0, {
    topicPartitions: array(topicPartitions),
  })),
  consumerGroupCurrentMemberAssignment: kind(8, memberKey, message('ConsumerGroupCurrentMemberAssignmentValue', only0, {
    memberEpoch: int32(), // -2 while a static member is away
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions: array(ownedPartitions),
    partitionsPendingRevocation: array(ownedPartitions),
  })),
  consumerGroupRegularExpression: kind(16, regularExpressionKey, message('ConsumerGroupRegularExpressionValue', only0, {
    topics: array(string()),
    version: int64(),
    timestamp: int64(),
  })),

  // Share groups (KIP-932), as in 4.1
  shareGroupPartitionMetadata: kind(9, groupKey, message('ShareGroupPartitionMetadataValue', only0, partitionMetadata)),
  shareGroupMemberMetadata: kind(10, memberKey, message('ShareGroupMemberMetadataValue', only0, {
    rackId: string({ nullable: 0 }),
    clientId: string(),
    clientHost: string(),
    subscribedTopicNames: array(string()),
  })),
  shareGroupMetadata: kind(11, groupKey, message('ShareGroupMetadataValue', only0, {
    epoch: int32(),
    metadataHash: bigint64(),
  })),
  shareGroupTargetAssignmentMetadata: kind(12, groupKey, message('ShareGroupTargetAssignmentMetadataValue', only0, {
    assignmentEpoch: int32(),
  })),
  shareGroupTargetAssignmentMember: kind(13, memberKey, message('ShareGroupTargetAssignmentMemberValue', only0, {
    topicPartitions: array(topicPartitions),
  })),
  shareGroupCurrentMemberAssignment: kind(14, memberKey, message('ShareGroupCurrentMemberAssignmentValue', only0, {
    memberEpoch: int32(),
    previousMemberEpoch: int32(),
    state: int8(),
    assignedPartitions: array(topicPartitions),
  })),
  // A Kafka after 4.1 adds a timestamp to each topic without a new version: those records fail to decode.
  shareGroupStatePartitionMetadata: kind(15, groupKey, message('ShareGroupStatePartitionMetadataValue', only0, {
    initializingTopics: array(shareTopicPartitions),
    initializedTopics: array(shareTopicPartitions),
    deletingTopics: array(shareTopic),
  })),
} as const

function kind<Key, Value>(type: number, key: Key, value: Value): { types: readonly number[]; key: Key; value: Value; writes: number } {
  return { types: [type], key, value, writes: 0 }
}

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

/** A committed offset with where it belongs: what {@link readOffsetCommit} reads. */
export interface OffsetCommitFields {
  readonly group: string
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly commitTimestamp: number
}

/**
 * Reads a committed offset as Kafka writes it since 2.1 (versions 3 and 4), some times faster than {@link decodeOffsetsRecord}: of these
 * there are many. Undefined for every other record, and for bytes that are not exactly that: ask there.
 */
export function readOffsetCommit(key: Buffer, value: Buffer): OffsetCommitFields | undefined {
  if (key.length < 10 || key[0] !== 0 || key[1]! > 1 || value.length < 23 || value[0] !== 0) return undefined
  const version = value[1]!
  const groupEnd = 4 + getInt16(key, 2)
  if (groupEnd < 4 || groupEnd + 6 > key.length) return undefined
  const topicEnd = groupEnd + 2 + getInt16(key, groupEnd)
  if (topicEnd < groupEnd + 2 || topicEnd + 4 !== key.length) return undefined
  if (version !== 3 && (version !== 4 || value[14]! === 0 || value[14]! >= 0x80)) return undefined
  const metadataAt = version === 3 ? 16 : 15
  const size = version === 3 ? getInt16(value, 14) : value[14]! - 1
  const metadataEnd = metadataAt + size
  if (size < 0 || metadataEnd + (version === 3 ? 8 : 9) !== value.length || (version === 4 && value[value.length - 1] !== 0)) return undefined
  const offset = getInt64(value, 2)
  const commitTimestamp = getInt64(value, metadataEnd)
  if (!Number.isSafeInteger(offset) || !Number.isSafeInteger(commitTimestamp)) return undefined
  return {
    group: text(key, 4, groupEnd), topic: text(key, groupEnd + 2, topicEnd), partition: getInt32(key, topicEnd), offset,
    leaderEpoch: getInt32(value, 10), metadata: text(value, metadataAt, metadataEnd), commitTimestamp,
  }
}

function text(buffer: Buffer, from: number, to: number): string {
  return from === to ? '' : buffer.toString('utf8', from, to)
}
