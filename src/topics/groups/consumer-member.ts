/*
 * One member of a consumer group (KIP-848) and how it moves towards the assignment that is meant for it. It gives back first what goes to
 * others, and is given only what its former owner has given back:
 *
 *    stable      it has all that it shall have
 *    unrevoked   it was told to give partitions back, and still has them
 *    unreleased  some of what it shall have is not free yet
 *
 * Pure: members are values, never changed. Who the others are and what is stored is said in consumer-group.ts.
 */
import { type GroupProtocol, type LocalMember } from './group-messages.ts'
import { containsAny, NO_PARTITIONS, type PartitionSets, type PartitionsOfTopic, samePartitions } from './partition-sets.ts'

/** The epoch with which a new member asks to join, and with which members leave: for good, or as a static one that will be back. */
export const JOIN_EPOCH = 0
/** See {@link JOIN_EPOCH}. */
export const LEAVE_EPOCH = -1
/** See {@link JOIN_EPOCH}. */
export const STATIC_LEAVE_EPOCH = -2

/** Where a member is on its way, in the order of the numbers that Kafka stores. */
export const memberStates = ['stable', 'unrevoked', 'unreleased'] as const

/** See {@link memberStates}. */
export type MemberState = (typeof memberStates)[number]

/** What a member has that speaks the classic protocol. */
export interface ClassicSide {
  readonly sessionTimeoutMs: number
  readonly protocols: readonly GroupProtocol[]
}

/** A member. */
export interface ConsumerMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly rackId: string | null
  readonly clientId: string
  readonly clientHost: string
  /** Ms in which it gives back what it is asked for; −1 while it never said. */
  readonly rebalanceTimeoutMs: number
  /** In the order of their names. */
  readonly topicNames: readonly string[]
  /** Empty for none. */
  readonly topicPattern: string
  /** The assignor that it would like; null when it does not care. */
  readonly serverAssignor: string | null
  /** Null for a member of the newer protocol. */
  readonly classic: ClassicSide | null
  /** In this process. */
  readonly local: LocalMember | undefined
  readonly memberEpoch: number
  readonly previousEpoch: number
  readonly state: MemberState
  readonly assigned: PartitionSets
  /** What it was told to give back and has not yet. */
  readonly revoking: PartitionSets
}

/** A member of which nothing is known yet. */
export function unknownMember(memberId: string): ConsumerMember {
  return {
    memberId, instanceId: null, rackId: null, clientId: '', clientHost: '', rebalanceTimeoutMs: -1, topicNames: [], topicPattern: '',
    serverAssignor: null, classic: null, local: undefined, memberEpoch: 0, previousEpoch: -1, state: 'stable', assigned: NO_PARTITIONS,
    revoking: NO_PARTITIONS,
  }
}

/** What a member shall have, and what the rest of the group leaves to it. */
export interface Goal {
  readonly epoch: number
  readonly target: PartitionSets
  /** Whether nobody has the partition. */
  readonly isFree: (topicId: string, partition: number) => boolean
  /** What the member says it has; null when it does not say. */
  readonly owned: readonly PartitionsOfTopic[] | null
}

/** The member one step further towards its goal; the same member when there is no step to take. */
export function reconciled(member: ConsumerMember, goal: Goal): ConsumerMember {
  if (member.state === 'stable') return member.memberEpoch === goal.epoch ? member : next(member, member.memberEpoch, goal)
  if (member.state === 'unreleased') return next(member, member.memberEpoch, goal)
  // What it says it has must have nothing of it any more.
  if (ownsAny(member.revoking, goal.owned)) return member
  return next(member, member.memberEpoch + 1, goal)
}

function ownsAny(sets: PartitionSets, owned: Goal['owned']): boolean {
  return owned === null || containsAny(sets, owned)
}

function next(member: ConsumerMember, epoch: number, { epoch: goalEpoch, target, isFree, owned }: Goal): ConsumerMember {
  const kept = new Map<string, Set<number>>()
  const revoking = new Map<string, Set<number>>()
  const added = new Map<string, Set<number>>()
  for (const [topicId, partitions] of member.assigned) {
    const wanted = target.get(topicId)
    for (const partition of partitions) put(wanted?.has(partition) === true ? kept : revoking, topicId, partition)
  }
  let waits = false
  for (const [topicId, partitions] of target) {
    for (const partition of partitions) {
      if (kept.get(topicId)?.has(partition) === true) continue
      if (isFree(topicId, partition)) put(added, topicId, partition)
      else waits = true
    }
  }
  if (revoking.size > 0 && ownsAny(revoking, owned)) {
    return { ...member, state: 'unrevoked', memberEpoch: epoch, previousEpoch: member.memberEpoch, assigned: kept, revoking }
  }
  for (const [topicId, partitions] of added) for (const partition of partitions) put(kept, topicId, partition)
  return {
    ...member, state: waits ? 'unreleased' : 'stable', memberEpoch: goalEpoch, previousEpoch: member.memberEpoch, assigned: kept,
    revoking: NO_PARTITIONS,
  }
}

function put(sets: Map<string, Set<number>>, topicId: string, partition: number): void {
  const set = sets.get(topicId)
  if (set === undefined) sets.set(topicId, new Set([partition]))
  else set.add(partition)
}

/** Whether two are at the same place on their way: nothing is to be stored of it. */
export function samePlace(a: ConsumerMember, b: ConsumerMember): boolean {
  return a.memberEpoch === b.memberEpoch && a.previousEpoch === b.previousEpoch && a.state === b.state &&
    samePartitions(a.assigned, b.assigned) && samePartitions(a.revoking, b.revoking)
}

/** Whether two say the same of themselves. */
export function sameSaying(a: ConsumerMember, b: ConsumerMember): boolean {
  return a.instanceId === b.instanceId && a.rackId === b.rackId && a.clientId === b.clientId && a.clientHost === b.clientHost &&
    a.rebalanceTimeoutMs === b.rebalanceTimeoutMs && sameNames(a.topicNames, b.topicNames) && a.topicPattern === b.topicPattern &&
    a.serverAssignor === b.serverAssignor && sameClassic(a.classic, b.classic)
}

/** Whether two lists of names, each in order, are the same. */
export function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, index) => name === b[index])
}

function sameClassic(a: ClassicSide | null, b: ClassicSide | null): boolean {
  if (a === null || b === null) return a === b
  return a.sessionTimeoutMs === b.sessionTimeoutMs && a.protocols.length === b.protocols.length &&
    a.protocols.every(({ name, metadata }, index) => name === b.protocols[index]!.name && metadata.equals(b.protocols[index]!.metadata))
}
