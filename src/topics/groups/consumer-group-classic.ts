/*
 * Members of the classic protocol in a group of the newer one (KIP-848's online migration): they join, sync and beat as ever, and what they are
 * answered is what the group decided for them. The generation that they are told is their epoch; what they own they say with their
 * subscription. Nobody leads. Members of this process are such, and are called where others learn from a heartbeat that they are to join again.
 */
import { isLogError } from '../../base/errors.ts'
import { getInt16 } from '../../base/bytes.ts'
import { type ConsumerSubscription, decodeSubscription, encodeAssignment } from '../../format/consumer-protocol.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { uuidText } from '../../format/uuid.ts'
import { type ConsumerGroup } from './consumer-group.ts'
import { Refusal } from './consumer-group-messages.ts'
import { type ConsumerMember, unknownMember } from './consumer-member.ts'
import {
  type HeartbeatRequest, type JoinAnswer, type JoinRequest, type SyncAnswer, type SyncRequest,
} from './group-messages.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'
import { type PartitionsOfTopic } from './partition-sets.ts'

/** The protocol type of consumers: no other one can be in a group of the newer protocol. */
export const CONSUMER_PROTOCOL = 'consumer'

/** A member joins, or joins again to learn what it is given now. Refusals are thrown. */
export function joinClassic(group: ConsumerGroup, request: JoinRequest, records: OffsetsLogRecord[]): JoinAnswer {
  const { groupInstanceId: instanceId = null, protocols, local } = request
  const memberId = request.memberId === '' ? group.world.newMemberId() : request.memberId
  group.checkSize(request.memberId)
  checkProtocols(group, request, memberId)
  if (request.memberId === '' && instanceId === null && request.requireKnownMemberId === true) {
    return { ...answerOf(memberId, -1), error: 'MEMBER_ID_REQUIRED', protocolType: null, protocolName: null }
  }
  const subscription = subscriptionOf(request)
  const { before, replaced } = speaker(group, memberId, instanceId, request.memberId === '')
  const said: ConsumerMember = {
    ...before, instanceId: instanceId ?? before.instanceId, rackId: blankAsNull(subscription.rackId) ?? before.rackId,
    rebalanceTimeoutMs: request.rebalanceTimeoutMs, topicNames: [...new Set(subscription.topics)].sort(), clientId: request.clientId,
    clientHost: request.clientHost, classic: { sessionTimeoutMs: request.sessionTimeoutMs, protocols }, local,
  }
  if (replaced !== undefined) {
    group.replace(replaced, before, records)
    if (replaced.local !== local) replaced.local?.removed('FENCED_INSTANCE_ID')
  }
  const member = group.update(before, said, ownedOf(group, subscription), records)
  group.timers.clear(memberId, 'join', 'rebalance', 'sync')
  local?.joined(memberId)
  if (local === undefined) {
    group.timers.set(memberId, 'session', request.sessionTimeoutMs)
    group.timers.set(memberId, 'sync', request.rebalanceTimeoutMs)
  }
  return { ...answerOf(memberId, member.memberEpoch), protocolName: protocols[0]!.name }
}

/** A member asks for what it has now. Refusals are thrown. */
export function syncClassic(group: ConsumerGroup, request: SyncRequest): SyncAnswer {
  const member = classicMember(group, request)
  checkGeneration(member, request.generation)
  const { protocols } = member.classic!
  const otherType = (request.protocolType ?? CONSUMER_PROTOCOL) !== CONSUMER_PROTOCOL
  if (otherType || (request.protocolName ?? protocols[0]!.name) !== protocols[0]!.name) throw new Refusal('INCONSISTENT_GROUP_PROTOCOL')
  // One that still has to give something back has joined already, and goes on from there.
  if (group.epoch > member.memberEpoch && member.state !== 'unrevoked') {
    limitJoin(group, member)
    throw new Refusal('REBALANCE_IN_PROGRESS')
  }
  group.timers.clear(member.memberId, 'sync')
  heardClassic(group, member)
  const assignedPartitions = group.named(member.assigned).map(({ topicName, partitions }) => ({ topic: topicName, partitions }))
  const { metadata } = protocols[0]!
  const version = Math.max(0, Math.min(metadata.length < 2 ? 0 : getInt16(metadata, 0), 3))
  return {
    error: 'NONE', protocolType: request.protocolType ?? null, protocolName: request.protocolName ?? null,
    assignment: encodeAssignment({ assignedPartitions }, version),
  }
}

/** A member is there; it may be told to join again. Refusals are thrown. */
export function heartbeatClassic(group: ConsumerGroup, request: HeartbeatRequest): KafkaErrorName {
  const member = classicMember(group, request)
  checkGeneration(member, request.generation)
  heardClassic(group, member)
  if (!mustRejoin(group, member)) return 'NONE'
  limitJoin(group, member)
  return 'REBALANCE_IN_PROGRESS'
}

/** The member that is to leave. Refusals are thrown. */
export function leavingClassic(
  group: ConsumerGroup, { memberId, groupInstanceId = null }: { readonly memberId: string; readonly groupInstanceId?: string | null },
): ConsumerMember {
  // An administrator knows the instance only.
  const id = groupInstanceId !== null && memberId === '' ? group.roster.ofInstance(groupInstanceId)?.memberId ?? '' : memberId
  return classicMember(group, { memberId: id, groupInstanceId })
}

/** Whether a member is to join again: there is something new for it, or it is to give something back. */
export function mustRejoin(group: ConsumerGroup, member: ConsumerMember): boolean {
  const { state, memberEpoch } = member
  return memberEpoch < group.epoch || state === 'unrevoked' || (state === 'unreleased' && !group.waits(member))
}

/** What a member says it owns, where it says it in one of its protocols. */
export function saysWhatItOwns({ protocols }: JoinRequest): boolean {
  try {
    return protocols.some(({ metadata }) => decodeSubscription(metadata).ownedPartitions.length > 0)
  } catch (error) {
    if (!isLogError(error)) throw error
    return false
  }
}

function checkProtocols(group: ConsumerGroup, { protocolType, protocols }: JoinRequest, memberId: string): void {
  const classic = [...group.members.values()].flatMap((member) => member.classic ?? [])
  const common = protocols.some(({ name }) => classic.every((one) => one.protocols.some((protocol) => protocol.name === name)))
  if (protocolType === CONSUMER_PROTOCOL && protocols.length > 0 && common) return
  throw new Refusal('INCONSISTENT_GROUP_PROTOCOL', `Member ${memberId}'s protocols are not supported.`)
}

function speaker(
  group: ConsumerGroup, memberId: string, instanceId: string | null, isNew: boolean,
): { readonly before: ConsumerMember; readonly replaced?: ConsumerMember } {
  if (instanceId === null) return { before: group.members.get(memberId) ?? unknownMember(memberId) }
  return isNew ? group.staticSpeaker(memberId, instanceId, true) : { before: group.roster.knownStatic(instanceId, memberId) }
}

/** All its protocols say the same; one of KafkaJS's says less, so the one that says most counts. */
function subscriptionOf({ protocols }: JoinRequest): ConsumerSubscription {
  try {
    const said = protocols.map(({ metadata }) => decodeSubscription(metadata))
    return said.find(({ ownedPartitions }) => ownedPartitions.length > 0) ?? said[0]!
  } catch (error) {
    if (!isLogError(error)) throw error
    throw new Refusal('INCONSISTENT_GROUP_PROTOCOL', 'Malformed embedded consumer protocol in subscription deserialization.')
  }
}

function ownedOf(group: ConsumerGroup, { ownedPartitions }: ConsumerSubscription): PartitionsOfTopic[] {
  const { byName } = group.world.topics()
  return ownedPartitions.flatMap(({ topic, partitions }) => {
    const entry = byName.get(topic)
    return entry === undefined ? [] : [{ topicId: uuidText(entry.id), partitions }]
  })
}

function classicMember(group: ConsumerGroup, request: Pick<HeartbeatRequest, 'memberId' | 'groupInstanceId'>): ConsumerMember {
  const { memberId, groupInstanceId = null } = request
  const member = groupInstanceId === null ? group.roster.known(memberId) : group.roster.knownStatic(groupInstanceId, memberId)
  if (member.classic === null) throw new Refusal('UNKNOWN_MEMBER_ID', `Member ${memberId} does not use the classic protocol.`)
  return member
}

function checkGeneration({ memberEpoch }: ConsumerMember, generation: number): void {
  if (generation !== memberEpoch) throw new Refusal('ILLEGAL_GENERATION')
}

function heardClassic(group: ConsumerGroup, { memberId, classic, local }: ConsumerMember): void {
  if (local === undefined) group.timers.set(memberId, 'session', classic!.sessionTimeoutMs)
}

function limitJoin(group: ConsumerGroup, { memberId, rebalanceTimeoutMs, local }: ConsumerMember): void {
  if (local === undefined) group.timers.begin(memberId, 'join', rebalanceTimeoutMs)
}

function blankAsNull(text: string | null): string | null {
  return text === '' ? null : text
}

function answerOf(memberId: string, generation: number): JoinAnswer {
  return {
    error: 'NONE', memberId, generation, protocolType: CONSUMER_PROTOCOL, protocolName: null, leader: '', skipAssignment: false, members: [],
  }
}
