/*
 * What members of a consumer group (KIP-848) say and are answered: the fields of Kafka's ConsumerGroupHeartbeat and ConsumerGroupDescribe,
 * errors by Kafka's names with the words that clients see. Not here: what a heartbeat does (consumer-group.ts).
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { LEAVE_EPOCH, STATIC_LEAVE_EPOCH } from './consumer-member.ts'
import { type PartitionsOfTopic } from './partition-sets.ts'

/** A heartbeat. What is null or −1 has not changed since the last one. */
export interface ConsumerHeartbeatRequest {
  readonly groupId: string
  readonly memberId: string
  /** The epoch that it is in; 0 to join, −1 to leave, −2 to leave for a while as a static member. */
  readonly memberEpoch: number
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly rebalanceTimeoutMs: number
  readonly topicNames: readonly string[] | null
  /** In RE2's syntax; matches whole names. */
  readonly topicPattern: string | null
  readonly serverAssignor: string | null
  /** What it has. */
  readonly owned: readonly PartitionsOfTopic[] | null
  readonly clientId: string
  readonly clientHost: string
  /** It makes its own member id (version 1). */
  readonly namesItself: boolean
  /** Which topics its pattern may find. Default: all. */
  readonly mayRead?: (topic: string) => boolean
}

/** The answer to a heartbeat. */
export interface ConsumerHeartbeatAnswer {
  readonly error: KafkaErrorName
  readonly message: string | null
  readonly memberId: string | null
  readonly memberEpoch: number
  readonly heartbeatIntervalMs: number
  /** All that the member has from now on; null where that has not changed. */
  readonly assignment: readonly PartitionsOfTopic[] | null
}

/** Partitions of a topic as they are described. */
export interface NamedPartitions extends PartitionsOfTopic {
  readonly topicName: string
}

/** A consumer group as it is described. */
export interface ConsumerGroupDetails {
  readonly groupId: string
  readonly state: ConsumerGroupState
  readonly groupEpoch: number
  readonly assignmentEpoch: number
  readonly assignorName: string
  readonly members: readonly {
    readonly memberId: string
    readonly instanceId: string | null
    readonly rackId: string | null
    readonly memberEpoch: number
    readonly clientId: string
    readonly clientHost: string
    readonly topicNames: readonly string[]
    readonly topicPattern: string
    readonly assigned: readonly NamedPartitions[]
    readonly target: readonly NamedPartitions[]
    /** It speaks the classic protocol. */
    readonly classic: boolean
  }[]
}

/** Kafka's states of a consumer group. */
export type ConsumerGroupState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead'

/** Why a message is refused: thrown within the groups, and an answer outside of them. */
export class Refusal extends Error {
  readonly error: KafkaErrorName
  /** What the member is told. */
  readonly words: string | null

  constructor(error: KafkaErrorName, words: string | null = null) {
    super(`${error}: ${words}`)
    this.error = error
    this.words = words
  }
}

/** The answer that refuses a heartbeat. */
export function refusedHeartbeat(error: KafkaErrorName, message: string | null = null): ConsumerHeartbeatAnswer {
  return { error, message, memberId: null, memberEpoch: 0, heartbeatIntervalMs: 0, assignment: null }
}

/** Throws what is wrong with a heartbeat, whatever the group. */
export function checkHeartbeat(request: ConsumerHeartbeatRequest, assignors: readonly string[]): void {
  const { memberEpoch, memberId, groupId, instanceId, rackId, serverAssignor } = request
  if (request.namesItself || memberEpoch > 0 || memberEpoch === LEAVE_EPOCH) refuseIf(isBlank(memberId), "MemberId can't be empty.")
  refuseIf(isBlank(groupId), "GroupId can't be empty.")
  refuseIf(instanceId !== null && isBlank(instanceId), "InstanceId can't be empty.")
  refuseIf(rackId !== null && isBlank(rackId), "RackId can't be empty.")
  if (memberEpoch === 0) checkJoin(request)
  else refuseIf(memberEpoch === STATIC_LEAVE_EPOCH && instanceId === null, "InstanceId can't be null.")
  refuseIf(memberEpoch < STATIC_LEAVE_EPOCH, 'MemberEpoch is invalid.')
  if (serverAssignor === null || assignors.includes(serverAssignor)) return
  const words = `ServerAssignor ${serverAssignor} is not supported. Supported assignors: ${assignors.join(', ')}.`
  throw new Refusal('UNSUPPORTED_ASSIGNOR', words)
}

function checkJoin({ rebalanceTimeoutMs, owned, topicNames, topicPattern }: ConsumerHeartbeatRequest): void {
  refuseIf(rebalanceTimeoutMs === -1, 'RebalanceTimeoutMs must be provided in first request.')
  refuseIf(owned === null || owned.length > 0, 'TopicPartitions must be empty when (re-)joining.')
  refuseIf(topicNames === null && topicPattern === null, 'Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.')
}

/** Nothing but what Java's trim() takes away. */
function isBlank(text: string): boolean {
  return /^[\0- ]*$/.test(text)
}

function refuseIf(wrong: boolean, words: string): void {
  if (wrong) throw new Refusal('INVALID_REQUEST', words)
}
