/*
 * Records of `__cluster_metadata`, the log of a KRaft controller: those that say which topics there are, with their partitions and settings,
 * and which producer ids are taken. All others are passed over. What they add up to is topics/kafka-metadata.ts's.
 *
 *    value: uvarint frame version (1) | uvarint type | uvarint version | fields of that version, always flexible          no key
 *
 * Spec: the metadata messages of Kafka (TopicRecord.json and its neighbours).
 */
import { ByteReader } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'
import { array, bigint64, type Decoded, int32, int64, int8, message, string, uuid } from './schema.ts'

const FRAME_VERSION = 1

/** Type of a resource in {@link configRecord} that is a topic; others are brokers, groups and client metrics. */
export const TOPIC_RESOURCE = 2

/** A topic was made. */
const topicRecord = message('TopicRecord', { versions: [0, 0], flexible: 0 }, {
  name: string(),
  topicId: uuid(),
})

/** A partition was made, or is as this says. */
const partitionRecord = message('PartitionRecord', { versions: [0, 2], flexible: 0 }, {
  partitionId: int32({ default: -1 }),
  topicId: uuid(),
  replicas: array(int32()),
  isr: array(int32()),
  removingReplicas: array(int32()),
  addingReplicas: array(int32()),
  leader: int32({ default: -1 }),
  leaderRecoveryState: int8({ tag: 0, default: 0 }),
  leaderEpoch: int32({ default: -1 }),
  partitionEpoch: int32({ default: -1 }),
  directories: array(uuid(), { since: 1, default: [] }),                                          // 1: KIP-858
  eligibleLeaderReplicas: array(int32(), { since: 2, tag: 1, nullable: 2, default: null }),       // 2: KIP-966
  lastKnownElr: array(int32(), { since: 2, tag: 2, nullable: 2, default: null }),
})

/** A setting of a topic, or of something else; a null value takes it back. */
export const configRecord = message('ConfigRecord', { versions: [0, 0], flexible: 0 }, {
  resourceType: int8(),
  resourceName: string(),
  name: string(),
  value: string({ nullable: 0 }),
})

/** A topic was removed, with its partitions and settings. */
const removeTopicRecord = message('RemoveTopicRecord', { versions: [0, 0], flexible: 0 }, {
  topicId: uuid(),
})

/** Producer ids below `nextProducerId` are taken. */
const producerIdsRecord = message('ProducerIdsRecord', { versions: [0, 0], flexible: 0 }, {
  brokerId: int32(),
  brokerEpoch: int64(),
  nextProducerId: bigint64(),
})

/** Records up to the end of it count together. */
const beginTransactionRecord = message('BeginTransactionRecord', { versions: [0, 0], flexible: 0 }, {
  name: string({ tag: 0, nullable: 0, default: null }),
})

/** They count. */
const endTransactionRecord = message('EndTransactionRecord', { versions: [0, 0], flexible: 0 }, {})

/** They do not count. */
const abortTransactionRecord = message('AbortTransactionRecord', { versions: [0, 0], flexible: 0 }, {
  reason: string({ tag: 0, nullable: 0, default: null }),
})

const kinds = {
  topic: { type: 2, message: topicRecord },
  partition: { type: 3, message: partitionRecord },
  config: { type: 4, message: configRecord },
  removeTopic: { type: 9, message: removeTopicRecord },
  producerIds: { type: 15, message: producerIdsRecord },
  beginTransaction: { type: 23, message: beginTransactionRecord },
  endTransaction: { type: 24, message: endTransactionRecord },
  abortTransaction: { type: 25, message: abortTransactionRecord },
} as const

type Kinds = typeof kinds

/** A record of the controller's log; `other` is one that says nothing of topics or producers. */
export type MetadataRecord =
  | { [K in keyof Kinds]: { readonly kind: K; readonly version: number; readonly value: Decoded<Kinds[K]['message']> } }[keyof Kinds]
  | { readonly kind: 'other'; readonly type: number }

/**
 * The record in the value of a record of `__cluster_metadata`.
 *
 * @throws LogError `LOG_DECODE_FAILED`; `LOG_VERSION_UNSUPPORTED` for a version of one of these records that we do not know
 */
export function decodeMetadataRecord(bytes: Uint8Array): MetadataRecord {
  const reader = new ByteReader(bytes, 0, bytes.length, 'LOG_DECODE_FAILED', 'record of __cluster_metadata')
  const frame = reader.uvarint()
  if (frame !== FRAME_VERSION) throw unsupported('the frame of metadata records', frame)
  const type = reader.uvarint()
  const version = reader.uvarint()
  const found = Object.entries(kinds).find(([, kind]) => kind.type === type)
  if (found === undefined) return { kind: 'other', type }
  const [kind, { message: known }] = found
  if (!known.supports(version)) throw unsupported(known.name, version)
  const value = known.at(version).decode(reader)
  if (reader.left > 0) reader.fail(`${reader.left} bytes behind the last field`)
  return { kind, version, value } as MetadataRecord
}

function unsupported(what: string, version: number): LogError {
  return new LogError('LOG_VERSION_UNSUPPORTED', `${what} has version ${version}, which is not known`, { message: what, version })
}
