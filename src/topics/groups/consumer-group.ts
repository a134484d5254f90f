/*
 * One group of the newer protocol (KIP-848): its members, what each shall have and what each has. Driven by heartbeats: a member that comes,
 * goes or subscribes to something else, and topics that come, go or grow, raise the group's epoch; who shall have what is decided for that
 * epoch when the next member speaks; then each member moves towards it by its own heartbeats (consumer-member.ts).
 *
 * Each change gives the records that are to be stored of it, and counts at once; consumer-groups.ts stores them and lets the answers wait.
 * Refusals are thrown before anything has changed. Members of the classic protocol are in consumer-group-classic.ts.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type TopicEntry } from '../catalog.ts'
import {
  type ConsumerGroupDetails, type ConsumerGroupState, type ConsumerHeartbeatAnswer, type ConsumerHeartbeatRequest, type NamedPartitions, Refusal,
} from './consumer-group-messages.ts'
import {
  type ConsumerGroupRecord, epochRecord, groupTombstones, memberRecord, memberTombstones, placeRecord, targetEpochRecord, targetRecord, withPlace,
  withSaying,
} from './consumer-group-records.ts'
import {
  type ConsumerMember, JOIN_EPOCH, reconciled, sameNames, samePlace, sameSaying, STATIC_LEAVE_EPOCH, unknownMember,
} from './consumer-member.ts'
import { ConsumerRoster } from './consumer-roster.ts'
import { type Deadlines } from './deadlines.ts'
import { type CommitRequest } from './group-messages.ts'
import { GroupPatterns } from './group-patterns.ts'
import { MemberTimers } from './member-timers.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'
import {
  containsAll, forEachPartition, NO_PARTITIONS, partitionLists, partitionSets, type PartitionSets, type PartitionsOfTopic, samePartitions,
} from './partition-sets.ts'
import { askedAssignor, assignTargets } from './target-assignment.ts'

/** The topics of the log at one moment. */
export interface TopicsView {
  /** Another one for each change. */
  readonly version: number
  readonly byName: ReadonlyMap<string, TopicEntry>
  readonly byId: ReadonlyMap<string, TopicEntry>
}

/** What a group may be told to do otherwise. */
export interface ConsumerGroupSettings {
  /** Ms without a word after which a member is gone. */
  readonly sessionTimeoutMs: number
  /** Ms after which a member is to speak again. */
  readonly heartbeatIntervalMs: number
  /** Members that the group takes. */
  readonly maxSize: number
}

/** What a group needs of those who keep it. */
export interface ConsumerGroupWorld {
  readonly deadlines: Deadlines
  now(): number
  topics(): TopicsView
  /** The hash of topics: metadata-hash.ts. */
  hash(topics: readonly TopicEntry[]): bigint
  newMemberId(): string
  settings(groupId: string): ConsumerGroupSettings
  /** A member's time is up: it is no member any more. */
  expired(group: ConsumerGroup, memberId: string): void
}

/** Who reads a topic; everybody may, unless somebody knows better. */
type MayRead = (topic: string) => boolean

/** A group of the newer protocol. */
export class ConsumerGroup {
  readonly groupId: string
  readonly roster: ConsumerRoster
  readonly timers: MemberTimers
  epoch = 0
  assignmentEpoch = 0
  metadataHash = 0n
  readonly world: ConsumerGroupWorld
  /** What each member shall have. */
  readonly #targets = new Map<string, PartitionSets>()
  readonly #patterns: GroupPatterns
  /** Members that could not be answered, since what they changed could not be stored: they may be in any epoch before. */
  readonly unanswered = new Set<string>()
  /** The topics that were looked at last. */
  #topicsSeen = -1
  dead = false

  constructor(groupId: string, world: ConsumerGroupWorld) {
    this.groupId = groupId
    this.world = world
    this.roster = new ConsumerRoster(groupId)
    this.timers = new MemberTimers(world.deadlines, (memberId) => { if (this.members.has(memberId) && !this.dead) world.expired(this, memberId) })
    this.#patterns = new GroupPatterns(groupId)
  }

  /** By id, in the order in which they came. */
  get members(): ReadonlyMap<string, ConsumerMember> {
    return this.roster.members
  }

  get state(): ConsumerGroupState {
    if (this.dead) return 'Dead'
    if (this.members.size === 0) return 'Empty'
    if (this.epoch > this.assignmentEpoch) return 'Assigning'
    for (const { state, memberEpoch } of this.members.values()) {
      if (state !== 'stable' || memberEpoch !== this.assignmentEpoch) return 'Reconciling'
    }
    return 'Stable'
  }

  /* ---- heartbeats ---- */

  /**
   * A member that joins, or is there.
   *
   * @param records  gets what is to be stored
   */
  heartbeat(request: ConsumerHeartbeatRequest, records: OffsetsLogRecord[]): ConsumerHeartbeatAnswer {
    const memberId = request.memberId === '' ? this.world.newMemberId() : request.memberId
    this.checkSize(request.memberId)
    const { before, replaced } = this.#speaker(request, memberId)
    const said: ConsumerMember = {
      ...before, instanceId: request.instanceId ?? before.instanceId, rackId: request.rackId ?? before.rackId,
      rebalanceTimeoutMs: request.rebalanceTimeoutMs === -1 ? before.rebalanceTimeoutMs : request.rebalanceTimeoutMs,
      topicNames: request.topicNames === null ? before.topicNames : [...new Set(request.topicNames)].sort(),
      topicPattern: request.topicPattern ?? before.topicPattern, serverAssignor: request.serverAssignor ?? before.serverAssignor,
      clientId: request.clientId, clientHost: request.clientHost, classic: null, local: undefined,
    }
    this.#patterns.check(said.topicPattern)
    if (replaced !== undefined) this.replace(replaced, before, records)
    const member = this.update(before, said, request.owned, records, request.mayRead)
    const { sessionTimeoutMs, heartbeatIntervalMs } = this.world.settings(this.groupId)
    this.timers.set(memberId, 'session', sessionTimeoutMs)
    const subscribes = request.topicNames !== null || request.topicPattern !== null
    const full = request.memberEpoch === JOIN_EPOCH || (request.rebalanceTimeoutMs !== -1 && subscribes && request.owned !== null)
    const assignment = full || !samePartitions(before.assigned, member.assigned) ? partitionLists(member.assigned) : null
    return { error: 'NONE', message: null, memberId, memberEpoch: member.memberEpoch, heartbeatIntervalMs, assignment }
  }

  /** A member leaves: for good, or as a static one that will be back. */
  leave({ memberId, instanceId, memberEpoch }: ConsumerHeartbeatRequest): { readonly member: ConsumerMember; readonly stays: boolean } {
    const member = instanceId === null ? this.roster.known(memberId) : this.roster.knownStatic(instanceId, memberId)
    return { member, stays: instanceId !== null && memberEpoch === STATIC_LEAVE_EPOCH }
  }

  /** A static member goes for a while: what it has waits for it. */
  goForAWhile(member: ConsumerMember, records: OffsetsLogRecord[]): void {
    const gone = { ...member, memberEpoch: STATIC_LEAVE_EPOCH, revoking: NO_PARTITIONS }
    this.roster.put(gone)
    records.push(placeRecord(this.groupId, gone))
  }

  /** Takes members away; the epoch rises. */
  remove(memberIds: readonly string[], records: OffsetsLogRecord[]): void {
    for (const memberId of memberIds) {
      records.push(...memberTombstones(this.groupId, memberId))
      this.#drop(memberId)
    }
    this.#patterns.keep(this.#usedPatterns(), records)
    this.#raise(this.#hash(), records)
  }

  /** Who speaks, as it was before; a static member that comes back takes the place of the one before it. */
  #speaker(request: ConsumerHeartbeatRequest, memberId: string): { readonly before: ConsumerMember; readonly replaced?: ConsumerMember } {
    const { instanceId, memberEpoch, owned } = request
    const joins = memberEpoch === JOIN_EPOCH
    if (instanceId === null) {
      const before = joins ? this.members.get(memberId) ?? unknownMember(memberId) : this.roster.known(memberId)
      this.#checkEpoch(before, memberEpoch, owned)
      return { before }
    }
    if (joins) return this.staticSpeaker(memberId, instanceId, false)
    const before = this.roster.knownStatic(instanceId, memberId)
    this.#checkEpoch(before, memberEpoch, owned)
    return { before }
  }

  #checkEpoch(member: ConsumerMember, said: number, owned: readonly PartitionsOfTopic[] | null): void {
    if (!this.unanswered.has(member.memberId) || said > member.memberEpoch) checkEpoch(member, said, owned)
  }

  /** A static member that joins: a new one, or another one in the place of who had its instance. */
  staticSpeaker(memberId: string, instanceId: string, classic: boolean): { readonly before: ConsumerMember; readonly replaced?: ConsumerMember } {
    const there = this.roster.ofInstance(instanceId)
    if (there === undefined) return { before: this.members.get(memberId) ?? unknownMember(memberId) }
    if (!classic && there.classic === null && there.memberEpoch !== STATIC_LEAVE_EPOCH) {
      const words = `Static member ${memberId} with instance id ${instanceId} cannot join the group because the instance id is owned by `
      throw new Refusal('UNRELEASED_INSTANCE_ID', `${words}${there.memberId} member.`)
    }
    return { before: { ...there, memberId, memberEpoch: 0, previousEpoch: 0 }, replaced: there }
  }

  /* ---- what members want and get ---- */

  /**
   * A member says what it wants: the group looks at its topics, decides anew who shall have what where that is needed, and moves the member on.
   * Gives the member as it is then.
   */
  update(
    before: ConsumerMember, said: ConsumerMember, owned: readonly PartitionsOfTopic[] | null, records: OffsetsLogRecord[], mayRead?: MayRead,
  ): ConsumerMember {
    const { groupId } = this
    if (!this.members.has(said.memberId) || !sameSaying(before, said)) records.push(memberRecord(groupId, said))
    this.roster.put(said)
    const otherPatterns = before.topicPattern !== said.topicPattern
    const otherNames = !sameNames(before.topicNames, said.topicNames)
    this.#look(this.epoch === 0 || otherNames || otherPatterns, records, mayRead)
    if (this.epoch > this.assignmentEpoch) this.#assign(records)
    const goal = {
      epoch: this.assignmentEpoch, target: this.#targetOf(said.memberId), owned,
      isFree: (topicId: string, partition: number): boolean => this.roster.isFree(topicId, partition),
    }
    const member = reconciled(said, goal)
    if (member === said || samePlace(said, member)) return said
    this.roster.put(member)
    records.push(placeRecord(groupId, member))
    if (member.classic === null) this.#limitRebalance(member)
    return member
  }

  /** Looks whether the topics that members read have changed since the last look; gives whether the epoch rose. */
  refresh(records: OffsetsLogRecord[]): void {
    if (this.members.size > 0) this.#look(false, records)
  }

  #look(must: boolean, records: OffsetsLogRecord[], mayRead: MayRead = () => true): void {
    const { version, byName } = this.world.topics()
    if (!must && version === this.#topicsSeen) return
    const used = this.#usedPatterns()
    const names = used.size === 0 ? [] : [...byName.keys()].filter(mayRead)
    const moved = this.#patterns.resolve(used, names, version !== this.#topicsSeen, this.world.now(), records)
    this.#topicsSeen = version
    const hash = this.#hash()
    if (must || moved || hash !== this.metadataHash) this.#raise(hash, records)
  }

  #raise(hash: bigint, records: OffsetsLogRecord[]): void {
    this.epoch++
    this.metadataHash = hash
    records.push(epochRecord(this.groupId, this.epoch, hash))
  }

  #usedPatterns(): Set<string> {
    const used = new Set<string>()
    for (const { topicPattern } of this.members.values()) if (topicPattern !== '') used.add(topicPattern)
    return used
  }

  /** Names of topics that a member reads, those of its pattern included; some may not be there. */
  #namesOf({ topicNames, topicPattern }: ConsumerMember): Iterable<string> {
    const found = this.#patterns.topicsOf(topicPattern)
    return found === undefined ? topicNames : new Set([...topicNames, ...found])
  }

  /** Names of topics that members read. */
  subscribedTopics(): ReadonlySet<string> {
    const names = new Set<string>()
    for (const member of this.members.values()) for (const name of this.#namesOf(member)) names.add(name)
    return names
  }

  #hash(): bigint {
    const { byName } = this.world.topics()
    return this.world.hash([...this.subscribedTopics()].flatMap((name) => byName.get(name) ?? []))
  }

  /** Decides who shall have what in the epoch of the group. */
  #assign(records: OffsetsLogRecord[]): void {
    const members = [...this.members.values()].map((member) => (
      { memberId: member.memberId, instanceId: member.instanceId, topicNames: this.#namesOf(member), target: this.#targetOf(member.memberId) }
    ))
    for (const [memberId, target] of assignTargets(askedAssignor(this.members.values()), members, this.world.topics())) {
      const before = this.#targets.get(memberId)
      if (before !== undefined && samePartitions(before, target)) continue
      this.#targets.set(memberId, target)
      records.push(targetRecord(this.groupId, memberId, target))
    }
    this.assignmentEpoch = this.epoch
    records.push(targetEpochRecord(this.groupId, this.assignmentEpoch))
  }

  #targetOf(memberId: string): PartitionSets {
    return this.#targets.get(memberId) ?? NO_PARTITIONS
  }

  /* ---- who is there ---- */

  /** Throws when there is no room for one more. */
  checkSize(memberId: string): void {
    const { maxSize } = this.world.settings(this.groupId)
    if (this.members.size < maxSize || this.members.has(memberId)) return
    throw new Refusal('GROUP_MAX_SIZE_REACHED', `The consumer group has reached its maximum capacity of ${maxSize} members.`)
  }

  /** Another one in the place of a static member: what the one before had and should have is its own. */
  replace(old: ConsumerMember, member: ConsumerMember, records: OffsetsLogRecord[]): void {
    const target = this.#targetOf(old.memberId)
    records.push(...memberTombstones(this.groupId, old.memberId))
    this.#drop(old.memberId)
    this.roster.put(member)
    this.#targets.set(member.memberId, target)
    records.push(memberRecord(this.groupId, member), targetRecord(this.groupId, member.memberId, target), placeRecord(this.groupId, member))
  }

  #drop(memberId: string): void {
    this.timers.drop(memberId)
    this.unanswered.delete(memberId)
    this.#targets.delete(memberId)
    this.roster.drop(memberId)
  }

  /** Whether a member waits for partitions that others still have. */
  waits(member: ConsumerMember): boolean {
    let waits = false
    forEachPartition(this.#targetOf(member.memberId), (topicId, partition) => {
      const has = member.assigned.get(topicId)?.has(partition) === true
      if (!has && !this.roster.isFree(topicId, partition)) waits = true
    })
    return waits
  }

  /* ---- offsets ---- */

  /** Whether offsets may be committed by who says it; nobody needs to be a member of an empty group. */
  mayCommit({ memberId, generation, version = Infinity }: CommitRequest, transactional: boolean): KafkaErrorName {
    if (generation < 0 && this.members.size === 0) return 'NONE'
    const member = this.members.get(memberId)
    if (member === undefined) return 'UNKNOWN_MEMBER_ID'
    // One of this process has what it owns until it gives it back, in whichever epoch.
    if (member.local !== undefined) return 'NONE'
    if (!transactional && member.classic === null && version < FIRST_WITH_EPOCHS) return 'UNSUPPORTED_VERSION'
    return memberError(member, generation, transactional)
  }

  /** Whether offsets may be asked for by who says it. */
  mayFetch(memberId: string | null, memberEpoch: number): KafkaErrorName {
    if (memberId === null && memberEpoch < 0) return 'NONE'
    const member = this.members.get(memberId ?? '')
    return member === undefined ? 'UNKNOWN_MEMBER_ID' : memberError(member, memberEpoch, false)
  }

  /* ---- time ---- */

  #limitRebalance({ memberId, state, memberEpoch, rebalanceTimeoutMs }: ConsumerMember): void {
    if (state !== 'unrevoked') return this.timers.clear(memberId, 'rebalance')
    this.timers.set(memberId, 'rebalance', rebalanceTimeoutMs, () => this.members.get(memberId)?.memberEpoch !== memberEpoch)
  }

  /** It was loaded: members that were there have their session time to be heard again. */
  start(): void {
    const { sessionTimeoutMs } = this.world.settings(this.groupId)
    for (const [memberId, member] of this.members) {
      if (member.local === undefined) this.timers.set(memberId, 'session', member.classic?.sessionTimeoutMs ?? sessionTimeoutMs)
      if (member.classic === null) this.#limitRebalance(member)
    }
  }

  /** Nobody may use it any more. */
  die(): void {
    this.dead = true
    this.timers.close()
  }

  /* ---- what is stored and told ---- */

  /** Takes what a record says, as it is loaded. */
  replay(record: ConsumerGroupRecord): void {
    switch (record.kind) {
      case 'consumerGroupMetadata':
        this.epoch = record.value?.epoch ?? 0
        this.metadataHash = record.value?.metadataHash ?? 0n
        return
      case 'consumerGroupTargetAssignmentMetadata':
        this.assignmentEpoch = record.value?.assignmentEpoch ?? 0
        return
      case 'consumerGroupPartitionMetadata':
        return
      case 'consumerGroupRegularExpression':
        return this.#patterns.replay(record.key.regularExpression, record.value)
      default:
        this.#replayMember(record)
    }
  }

  #replayMember(record: Extract<ConsumerGroupRecord, { readonly key: { readonly memberId: string } }>): void {
    const { memberId } = record.key
    const member = this.members.get(memberId) ?? unknownMember(memberId)
    if (record.kind === 'consumerGroupTargetAssignmentMember') {
      if (record.value === null) this.#targets.delete(memberId)
      else this.#targets.set(memberId, partitionSets(record.value.topicPartitions))
    } else if (record.kind === 'consumerGroupMemberMetadata') {
      if (record.value === null) this.#drop(memberId)
      else this.roster.put(withSaying(member, record.value))
    } else if (record.value !== null) {
      this.roster.put(withPlace(member, record.value))
    } else if (this.members.has(memberId)) {
      this.roster.put({ ...member, memberEpoch: LEFT, previousEpoch: LEFT, assigned: NO_PARTITIONS, revoking: NO_PARTITIONS })
    }
  }

  /** All records of the group as it is: for one that was another kind of group before. */
  everything(): OffsetsLogRecord[] {
    const { groupId } = this
    const members = [...this.members.values()]
    return [
      ...members.map((member) => memberRecord(groupId, member)),
      ...this.#patterns.everything(),
      epochRecord(groupId, this.epoch, this.metadataHash),
      ...[...this.#targets].map(([memberId, target]) => targetRecord(groupId, memberId, target)),
      targetEpochRecord(groupId, this.assignmentEpoch),
      ...members.map((member) => placeRecord(groupId, member)),
    ]
  }

  /** The records that take the group away. */
  tombstones(): OffsetsLogRecord[] {
    const { groupId } = this
    return [
      ...[...new Set([...this.members.keys(), ...this.#targets.keys()])].flatMap((memberId) => memberTombstones(groupId, memberId)),
      ...this.#patterns.tombstones(),
      ...groupTombstones(groupId),
    ]
  }

  /** A member shall have these, as one of another kind of group had them. */
  setTarget(memberId: string, target: PartitionSets): void {
    this.#targets.set(memberId, target)
  }

  /** The group with its members. */
  details(): ConsumerGroupDetails {
    return {
      groupId: this.groupId, state: this.state, groupEpoch: this.epoch, assignmentEpoch: this.assignmentEpoch,
      assignorName: askedAssignor(this.members.values()),
      members: [...this.members.values()].map((member) => ({
        memberId: member.memberId, instanceId: member.instanceId, rackId: member.rackId, memberEpoch: member.memberEpoch,
        clientId: member.clientId, clientHost: member.clientHost, topicNames: member.topicNames, topicPattern: member.topicPattern,
        assigned: this.named(member.assigned), target: this.named(this.#targetOf(member.memberId)),
        classic: member.classic !== null,
      })),
    }
  }

  /** Partitions with the names of their topics, of those that there are. */
  named(sets: PartitionSets): NamedPartitions[] {
    const { byId } = this.world.topics()
    return partitionLists(sets).flatMap((one) => {
      const entry = byId.get(one.topicId)
      return entry === undefined ? [] : [{ ...one, topicName: entry.name }]
    })
  }
}

/** The first version of OffsetCommit that says the epoch of a member. */
const FIRST_WITH_EPOCHS = 9

/** The epoch of a member whose place was taken away: it has left. */
const LEFT = -1

function checkEpoch({ memberEpoch, previousEpoch, assigned }: ConsumerMember, said: number, owned: readonly PartitionsOfTopic[] | null): void {
  if (said === memberEpoch) return
  // The answer with the newer epoch may have been lost: who still is in the one before has nothing that was not its own.
  if (said < memberEpoch && said === previousEpoch && owned !== null && containsAll(assigned, owned)) return
  const than = said > memberEpoch ? 'greater' : 'smaller'
  const words = `The consumer group member has a ${than} member epoch (${said}) than the one known by the group coordinator (${memberEpoch}). ` +
    'The member must abandon all its partitions and rejoin.'
  throw new Refusal('FENCED_MEMBER_EPOCH', words)
}

function memberError({ memberEpoch, classic }: ConsumerMember, said: number, transactional: boolean): KafkaErrorName {
  if (said === memberEpoch) return 'NONE'
  return classic !== null || transactional ? 'ILLEGAL_GENERATION' : 'STALE_MEMBER_EPOCH'
}
