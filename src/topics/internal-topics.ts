/*
 * The topics that belong to the log itself: committed offsets and groups, transactions, and those of Kafka's that we only keep. Coordinators
 * write them; producers may not; everyone may read. Made on first need, with one partition; a folder of Kafka's keeps the count it has.
 */
import { LogError } from '../base/errors.ts'
import { type TopicRequest } from './topic-request.ts'

/** Where groups and their committed offsets are kept. */
export const OFFSETS_TOPIC = '__consumer_offsets'

/** Where the states of transactions are kept. */
export const TRANSACTIONS_TOPIC = '__transaction_state'

const names: readonly string[] = [OFFSETS_TOPIC, TRANSACTIONS_TOPIC, '__share_group_state', '__cluster_metadata']

/** Enough for the members of a very large group in one record. */
const MAX_MESSAGE_BYTES = 32 * 1024 * 1024
const SEGMENT_BYTES = 64 * 1024 * 1024

/** Whether a topic is one of the log's own. */
export function isInternalTopic(name: string): boolean {
  return name.startsWith('__') && names.includes(name)
}

/** LOG_TOPIC_INTERNAL: what somebody gets who writes to a topic of the log's own. */
export function internalTopicError(topic: string): LogError {
  return new LogError('LOG_TOPIC_INTERNAL', `topic "${topic}" is the log's own: it can be read, and only the log writes to it`, { topic })
}

/** What is asked of an internal topic that a coordinator opens; made when `create` is set and there is none. */
export function internalTopicRequest(name: string, create: boolean): TopicRequest {
  return {
    name, create, partitions: undefined, key: undefined, value: undefined, newKey: 'bytes', newValue: 'bytes',
    settings: { cleanupPolicy: 'compact', maxMessageBytes: MAX_MESSAGE_BYTES, segmentBytes: SEGMENT_BYTES, compressionType: 'producer', lingerMs: 0 },
  }
}

/** The partition of an internal topic that a group or transactional id belongs to: Java's hash of it, as Kafka has it. */
export function internalPartition(id: string, partitions: number): number {
  let hash = 0
  for (let at = 0; at < id.length; at++) hash = (Math.imul(hash, 31) + id.charCodeAt(at)) | 0
  return hash === -0x8000_0000 ? 0 : Math.abs(hash) % partitions
}
