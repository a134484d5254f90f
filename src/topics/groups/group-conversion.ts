/*
 * A group of the classic protocol that becomes one of the newer protocol, with its members and what they have, and back: the first consumer
 * of the newer protocol makes the one of the other, and the last one that leaves makes it what it was (KIP-848's online migration).
 */
import { isLogError } from '../../base/errors.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment } from '../../format/consumer-protocol.ts'
import { uuidText } from '../../format/uuid.ts'
import { ClassicGroup, type GroupWorld } from './classic-group.ts'
import { ConsumerGroup, type ConsumerGroupWorld } from './consumer-group.ts'
import { CONSUMER_PROTOCOL } from './consumer-group-classic.ts'
import { Refusal } from './consumer-group-messages.ts'
import { type ConsumerMember, unknownMember } from './consumer-member.ts'
import { type Member, metadataOf, newMember } from './group-members.ts'
import { IN_PROCESS_HOST } from './group-messages.ts'
import { partitionSets, type PartitionSets } from './partition-sets.ts'

/** What a classic group is in the newer protocol. The group itself stays as it is: `dissolve` it once the other one holds. */
export function consumerGroupOf(classic: ClassicGroup, world: ConsumerGroupWorld): ConsumerGroup {
  const { groupId, generation } = classic
  if (classic.protocolType !== CONSUMER_PROTOCOL) throw new Refusal('GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`)
  const group = new ConsumerGroup(groupId, world)
  group.epoch = generation
  group.assignmentEpoch = generation
  for (const member of classic.members.all()) {
    const converted = consumerMemberOf(member, classic, group)
    group.roster.put(converted)
    group.setTarget(converted.memberId, converted.assigned)
  }
  return group
}

function consumerMemberOf(member: Member, { protocolName, generation, groupId }: ClassicGroup, group: ConsumerGroup): ConsumerMember {
  const { memberId, groupInstanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols, local } = member
  try {
    const { topics, rackId, ownedPartitions } = decodeSubscription(protocolName === null ? protocols[0]!.metadata : metadataOf(member, protocolName))
    const given = decodeAssignment(member.assignment).assignedPartitions
    // Within a rebalance nothing is assigned: it has what it said it has.
    const assigned = freeOf(group, given.length > 0 ? given : ownedPartitions)
    return {
      ...unknownMember(memberId), instanceId: groupInstanceId, rackId: rackId === '' ? null : rackId, clientId, clientHost, rebalanceTimeoutMs,
      topicNames: [...new Set(topics)].sort(), classic: { sessionTimeoutMs, protocols }, local, memberEpoch: generation,
      previousEpoch: generation, assigned,
    }
  } catch (error) {
    if (!isLogError(error)) throw error
    const words = `Cannot upgrade the classic group ${groupId} to consumer group because the embedded consumer protocol is malformed.`
    throw new Refusal('GROUP_ID_NOT_FOUND', words)
  }
}

function freeOf(group: ConsumerGroup, lists: readonly { readonly topic: string; readonly partitions: readonly number[] }[]): PartitionSets {
  const { byName } = group.world.topics()
  return partitionSets(lists.flatMap(({ topic, partitions }) => {
    const entry = byName.get(topic)
    if (entry === undefined) return []
    const topicId = uuidText(entry.id)
    const isThere = (partition: number): boolean => partition >= 0 && partition < entry.partitions
    return [{ topicId, partitions: partitions.filter((partition) => isThere(partition) && group.roster.isFree(topicId, partition)) }]
  }))
}

/** What is left of a group whose members all speak the classic protocol, apart from those that leave. They are to join again. */
export function classicGroupOf(group: ConsumerGroup, leaving: ReadonlySet<string>, world: GroupWorld): ClassicGroup {
  const members = [...group.members.values()].filter(({ memberId }) => !leaving.has(memberId)).map((member): Member => {
    const { memberId, instanceId, clientId, clientHost, rebalanceTimeoutMs, classic, local } = member
    const { protocols, sessionTimeoutMs } = classic!
    const joined = newMember(memberId, {
      groupId: group.groupId, memberId, groupInstanceId: instanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols,
      protocolType: CONSUMER_PROTOCOL, ...(local !== undefined && { local }),
    })
    const assignedPartitions = group.named(member.assigned).map(({ topicName, partitions }) => ({ topic: topicName, partitions }))
    return { ...joined, assignment: encodeAssignment({ assignedPartitions }), isNew: false }
  })
  return ClassicGroup.withMembers(group.groupId, world, group.epoch, members)
}

/** Whether nobody but members of the classic protocol is left when these have left. */
export function becomesClassic(group: ConsumerGroup, leaving: ReadonlySet<string>): boolean {
  const rest = [...group.members.values()].filter(({ memberId }) => !leaving.has(memberId))
  return rest.length > 0 && rest.every(({ classic }) => classic !== null)
}

/** Members of the process that is gone. */
export function leftBehind(group: ConsumerGroup): string[] {
  return [...group.members.values()].filter(({ clientHost }) => clientHost === IN_PROCESS_HOST).map(({ memberId }) => memberId)
}
