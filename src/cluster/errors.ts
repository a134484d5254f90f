/*
 * What brokers answer, as errors of a log. Those that say that something may go well a little later are `LOG_CLUSTER_UNAVAILABLE`: retry.ts
 * asks again, and only what lasts longer than `timeoutMs` is told to the user.
 */
import { isLogError, LogError, type LogErrorCode } from '../base/errors.ts'
import { type KafkaErrorName, kafkaErrorName } from '../format/kafka-errors.ts'
import { groupError } from '../topics/groups/group-error.ts'

/** What the leader, the coordinator or the copies of a partition are missing just now. */
const passing: readonly KafkaErrorName[] = [
  'LEADER_NOT_AVAILABLE', 'NOT_LEADER_OR_FOLLOWER', 'REQUEST_TIMED_OUT', 'BROKER_NOT_AVAILABLE', 'REPLICA_NOT_AVAILABLE', 'NETWORK_EXCEPTION',
  'COORDINATOR_LOAD_IN_PROGRESS', 'COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR', 'NOT_ENOUGH_REPLICAS', 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  'NOT_CONTROLLER', 'KAFKA_STORAGE_ERROR', 'FENCED_LEADER_EPOCH', 'UNKNOWN_LEADER_EPOCH', 'OFFSET_NOT_AVAILABLE', 'CORRUPT_MESSAGE',
  'UNSTABLE_OFFSET_COMMIT', 'CONCURRENT_TRANSACTIONS', 'UNKNOWN_TOPIC_OR_PARTITION', 'UNKNOWN_TOPIC_ID', 'THROTTLING_QUOTA_EXCEEDED',
]

const codes: Partial<Record<KafkaErrorName, LogErrorCode>> = {
  TOPIC_AUTHORIZATION_FAILED: 'LOG_NOT_AUTHORIZED',
  GROUP_AUTHORIZATION_FAILED: 'LOG_NOT_AUTHORIZED',
  CLUSTER_AUTHORIZATION_FAILED: 'LOG_NOT_AUTHORIZED',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'LOG_NOT_AUTHORIZED',
  SASL_AUTHENTICATION_FAILED: 'LOG_AUTHENTICATION_FAILED',
  UNSUPPORTED_VERSION: 'LOG_CLUSTER_UNSUPPORTED',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'LOG_CLUSTER_UNSUPPORTED',
  MESSAGE_TOO_LARGE: 'LOG_RECORD_TOO_LARGE',
  RECORD_LIST_TOO_LARGE: 'LOG_RECORD_TOO_LARGE',
  INVALID_RECORD: 'LOG_RECORD_INVALID',
  INVALID_TIMESTAMP: 'LOG_RECORD_INVALID',
  POLICY_VIOLATION: 'LOG_POLICY_VIOLATION',
  TOPIC_ALREADY_EXISTS: 'LOG_TOPIC_EXISTS',
  OFFSET_OUT_OF_RANGE: 'LOG_OFFSET_OUT_OF_RANGE',
  OUT_OF_ORDER_SEQUENCE_NUMBER: 'LOG_SEQUENCE_OUT_OF_ORDER',
  INVALID_PRODUCER_EPOCH: 'LOG_PRODUCER_FENCED',
  PRODUCER_FENCED: 'LOG_PRODUCER_FENCED',
  INVALID_PRODUCER_ID_MAPPING: 'LOG_PRODUCER_FENCED',
  TRANSACTION_COORDINATOR_FENCED: 'LOG_PRODUCER_FENCED',
  INVALID_TXN_STATE: 'LOG_TXN_STATE_INVALID',
  INVALID_TRANSACTION_TIMEOUT: 'LOG_CLUSTER_REFUSED',
  TRANSACTION_ABORTABLE: 'LOG_TXN_ABORTED',
}

/** The name of an error number; numbers that came later are what Kafka calls unknown. */
export function nameOf(code: number): KafkaErrorName {
  return kafkaErrorName(code) ?? 'UNKNOWN_SERVER_ERROR'
}

/** The error that `kafka`, which is not NONE, means. `what` was asked for; `said` is the broker's own text. */
export function clusterError(kafka: KafkaErrorName, what: string, detail: Readonly<Record<string, unknown>> = {}, said?: string | null): LogError {
  const told = { ...detail, error: kafka }
  const text = said === undefined || said === null || said === '' ? '' : `: ${said}`
  if (passing.includes(kafka)) return new LogError('LOG_CLUSTER_UNAVAILABLE', `${what}: the cluster answers ${kafka}${text}`, told)
  return new LogError(codes[kafka] ?? 'LOG_CLUSTER_REFUSED', `${what}: the cluster answers ${kafka}${text}`, told)
}

/** As {@link clusterError}, for what is asked about a group. */
export function clusterGroupError(kafka: KafkaErrorName, group: string, place?: { readonly topic: string; readonly partition: number }): LogError {
  if (passing.includes(kafka) || kafka in codes) return clusterError(kafka, `group "${group}"`, { group, ...place })
  return groupError(kafka, group, place)
}

/** Throws when a number is that of an error. */
export function checkAnswer(code: number, what: string, detail?: Readonly<Record<string, unknown>>, said?: string | null): void {
  if (code !== 0) throw clusterError(nameOf(code), what, detail, said)
}

/** Whether the same question may be answered a little later. */
export function isPassing(error: unknown): error is LogError {
  return isLogError(error, 'LOG_CLUSTER_UNAVAILABLE')
}

/** What a broker answers to a send that its leader may have stored: before all copies had it, something came between. */
const maybeStored: readonly KafkaErrorName[] = [
  'NOT_ENOUGH_REPLICAS_AFTER_APPEND', 'REQUEST_TIMED_OUT', 'NOT_LEADER_OR_FOLLOWER', 'FENCED_LEADER_EPOCH', 'KAFKA_STORAGE_ERROR',
  'NETWORK_EXCEPTION', 'UNKNOWN_SERVER_ERROR',
]

/** Whether a batch that was answered so may be stored nevertheless. */
export function mayBeStored(name: KafkaErrorName): boolean {
  return maybeStored.includes(name)
}

/** Whether the question may have been understood, and only the answer lost. */
export function wasCut(error: unknown): boolean {
  return isPassing(error) && error.detail['cut'] === true
}
