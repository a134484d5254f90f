/*
 * Errors of the group protocol as a program in this process gets them: a LogError with Kafka's name in its detail.
 */
import { LogError, type LogErrorCode } from '../../base/errors.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'

const codes: Partial<Record<KafkaErrorName, readonly [LogErrorCode, string]>> = {
  UNKNOWN_MEMBER_ID: ['LOG_MEMBER_UNKNOWN', 'the consumer is no member of it any more'],
  ILLEGAL_GENERATION: ['LOG_GENERATION_STALE', 'the partition was given to another member'],
  REBALANCE_IN_PROGRESS: ['LOG_GENERATION_STALE', 'the partition was given to another member'],
  FENCED_INSTANCE_ID: ['LOG_MEMBER_FENCED', 'another member has the same instanceId'],
  INCONSISTENT_GROUP_PROTOCOL: ['LOG_GROUP_PROTOCOL_MISMATCH', 'its members offer other assignors, or are no consumers'],
  NON_EMPTY_GROUP: ['LOG_GROUP_NOT_EMPTY', 'it has members'],
  GROUP_SUBSCRIBED_TO_TOPIC: ['LOG_GROUP_NOT_EMPTY', 'it has members that read the topic'],
  GROUP_ID_NOT_FOUND: ['LOG_GROUP_NOT_FOUND', 'there is none of this name'],
  COORDINATOR_NOT_AVAILABLE: ['LOG_CLOSED', 'the log is closed'],
  UNSTABLE_OFFSET_COMMIT: ['LOG_TXN_CONCURRENT', 'a transaction that commits for it is open'],
}

/** The error that `kafka`, which is not NONE, means for the user of a group. */
export function groupError(kafka: KafkaErrorName, group: string, place?: { readonly topic: string; readonly partition: number }): LogError {
  const [code, reason] = codes[kafka] ?? ['LOG_MEMBER_UNKNOWN', `the coordinator answers ${kafka}`]
  const where = place === undefined ? '' : ` (${place.topic}-${place.partition})`
  const named = place === undefined ? {} : { topic: place.topic, partition: place.partition }
  return new LogError(code, `group "${group}"${where}: ${reason}`, { group, ...named, kafka })
}
