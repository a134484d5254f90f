/*
 * All groups of the newer protocol (KIP-848) of a log: takes messages to each, stores what they change before it is answered, and lets classic
 * groups become such ones and back. In message form, as coordinator.ts, which passes messages on to here and has all that both kinds of groups
 * share: committed offsets and the offsets topic.
 */
import { encodeAssignment, encodeSubscription } from '../../format/consumer-protocol.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { newUuid, uuidText } from '../../format/uuid.ts'
import { type LogCore } from '../log-core.ts'
import { type ClassicGroup, type GroupWorld } from './classic-group.ts'
import { type Stored, type TopicPartition } from './committed-offsets.ts'
import { ConsumerGroup, type ConsumerGroupSettings, type ConsumerGroupWorld, type TopicsView } from './consumer-group.ts'
import { heartbeatClassic, joinClassic, leavingClassic, mustRejoin, saysWhatItOwns, syncClassic } from './consumer-group-classic.ts'
import {
  checkHeartbeat, type ConsumerGroupDetails, type ConsumerHeartbeatAnswer, type ConsumerHeartbeatRequest, Refusal, refusedHeartbeat,
} from './consumer-group-messages.ts'
import { type ConsumerGroupRecord } from './consumer-group-records.ts'
import { JOIN_EPOCH } from './consumer-member.ts'
import { type Deadlines } from './deadlines.ts'
import { becomesClassic, classicGroupOf, consumerGroupOf, leftBehind } from './group-conversion.ts'
import {
  type GroupDescription, type HeartbeatRequest, type JoinAnswer, type JoinRequest, type LeaveAnswer, type LeaveRequest, type LocalMember,
  refusedJoin, refusedSync, type SyncAnswer, type SyncRequest,
} from './group-messages.ts'
import { groupRecord, groupTombstone } from './group-records.ts'
import { metadataHash } from './metadata-hash.ts'
import { type OffsetsLogRecord } from './offsets-log.ts'
import { serverAssignors } from './server-assignors.ts'

/** What these groups need of the coordinator. */
export interface ConsumerGroupsHost {
  readonly classicWorld: GroupWorld
  /** Stores records of a group, together. */
  append(groupId: string, records: readonly OffsetsLogRecord[]): Promise<Stored>
  /** The classic group of a name, where there is one. */
  classic(groupId: string): ClassicGroup | undefined
  /** It is no classic group any more. */
  forgetClassic(groupId: string): void
  /** It is a classic group from now on. */
  keepClassic(group: ClassicGroup): void
  /** Where its offsets are. */
  placeOf(groupId: string): TopicPartition
}

const NOTHING: Stored = { error: 'NONE' }

/** The groups of the newer protocol of one open folder. */
export class ConsumerGroups {
  readonly #core: LogCore
  readonly #host: ConsumerGroupsHost
  readonly #world: ConsumerGroupWorld
  readonly #groups = new Map<string, ConsumerGroup>()
  /** The last records of a group that are under way. */
  readonly #storing = new Map<string, Promise<Stored>>()
  /** Groups of which something could not be stored: the next time all of it is. */
  readonly #unstored = new Set<string>()
  /** Members of this process that give back what they own before they join. */
  readonly #releasing = new Map<LocalMember, () => void>()
  #view: TopicsView | undefined
  #version = 0
  /** What a group is told to do otherwise, by whoever keeps the settings of groups. */
  settingsOf: (groupId: string) => Partial<ConsumerGroupSettings> = () => ({})

  constructor(core: LogCore, deadlines: Deadlines, host: ConsumerGroupsHost) {
    this.#core = core
    this.#host = host
    this.#world = {
      deadlines,
      now: () => core.env.clock.now(),
      topics: () => this.#topics(),
      hash: metadataHash,
      newMemberId: () => uuidText(newUuid(core.options.random)),
      settings: (groupId) => this.#settings(groupId),
      expired: (group, memberId) => {
        const { clientId } = group.members.get(memberId)!
        core.env.emit?.({ type: 'member-expired', ...host.placeOf(group.groupId), groupId: group.groupId, memberId, clientId })
        void this.#remove(group, [memberId])
      },
    }
  }

  /** A group of this kind. */
  get(groupId: string): ConsumerGroup | undefined {
    return this.#groups.get(groupId)
  }

  /** Their names. */
  names(): Iterable<string> {
    return this.#groups.keys()
  }

  /** Topics or partitions came or went: groups look when the next member speaks. */
  topicsChanged(): void {
    this.#view = undefined
    this.#version++
  }

  /* ---- the newer protocol ---- */

  /** A member joins, is there, or leaves; answered when what that changes is stored. */
  async heartbeat(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    try {
      checkHeartbeat(request, [...serverAssignors.keys()])
      return await (request.memberEpoch < JOIN_EPOCH ? this.#leave(request) : this.#beat(request))
    } catch (error) {
      if (error instanceof Refusal) return refusedHeartbeat(error.error, error.words)
      throw error
    }
  }

  async #beat(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const { groupId } = request
    const group = this.#groups.get(groupId)
    if (group === undefined) return this.#beatOfNew(request)
    const records: OffsetsLogRecord[] = []
    const answer = group.heartbeat(request, records)
    this.#nudge(group)
    await this.#storedFor(answer.memberId!, group, records)
    return answer
  }

  /** The first heartbeat makes the group, out of the classic one of that name where there is one. */
  async #beatOfNew(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const { groupId } = request
    const classic = this.#host.classic(groupId)
    if (request.memberEpoch !== JOIN_EPOCH) {
      const words = classic === undefined ? `Consumer group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`
      throw new Refusal('GROUP_ID_NOT_FOUND', words)
    }
    const group = classic === undefined || classic.state === 'Empty' ? new ConsumerGroup(groupId, this.#world) : consumerGroupOf(classic, this.#world)
    const answer = group.heartbeat(request, [])
    if (classic !== undefined) {
      classic.dissolve()
      this.#host.forgetClassic(groupId)
    }
    this.#groups.set(groupId, group)
    group.start()
    this.#nudge(group)
    await this.#storedFor(answer.memberId!, group, [...(classic === undefined ? [] : [groupTombstone(groupId)]), ...group.everything()])
    return answer
  }

  async #leave(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const { groupId, memberEpoch } = request
    const group = this.#groups.get(groupId)
    if (group === undefined) {
      const words = this.#host.classic(groupId) === undefined ? `Group ${groupId} not found.` : `Group ${groupId} is not a consumer group.`
      throw new Refusal('GROUP_ID_NOT_FOUND', words)
    }
    const { member, stays } = group.leave(request)
    if (stays) {
      const records: OffsetsLogRecord[] = []
      group.goForAWhile(member, records)
      this.#nudge(group)
      await this.#stored(group, records)
    } else {
      await thrown(this.#remove(group, [member.memberId]))
    }
    return { error: 'NONE', message: null, memberId: member.memberId, memberEpoch, heartbeatIntervalMs: 0, assignment: null }
  }

  /** Takes members out of a group, which may become a classic one by that. */
  #remove(group: ConsumerGroup, memberIds: readonly string[]): Promise<Stored> {
    const { groupId } = group
    const locals = memberIds.flatMap((memberId) => group.members.get(memberId)?.local ?? [])
    const leaving = new Set(memberIds)
    if (becomesClassic(group, leaving)) {
      const tombstones = group.tombstones()
      const classic = classicGroupOf(group, leaving, this.#host.classicWorld)
      this.#forget(group)
      this.#host.keepClassic(classic)
      for (const local of locals) local.removed('UNKNOWN_MEMBER_ID')
      const stored = this.#append(groupId, [...tombstones, groupRecord(classic)])
      classic.rebalance()
      return stored
    }
    const records: OffsetsLogRecord[] = []
    group.remove(memberIds, records)
    for (const local of locals) local.removed('UNKNOWN_MEMBER_ID')
    this.#nudge(group)
    return this.#store(group, records)
  }

  /* ---- members of the classic protocol ---- */

  /** A member of the classic protocol joins a group that has members. */
  async join(group: ConsumerGroup, request: JoinRequest): Promise<JoinAnswer> {
    const { local } = request
    // Who does not say what it still owns has to give it back first: nobody else may be given it before.
    if (local?.holds() === true && !saysWhatItOwns(request)) await this.#released(local)
    try {
      const records: OffsetsLogRecord[] = []
      const answer = joinClassic(group, request, records)
      this.#nudge(group)
      await this.#stored(group, records)
      return answer
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return refusedJoin(error.error, request.memberId)
    }
  }

  #released(local: LocalMember): Promise<void> {
    return new Promise((resolve) => {
      this.#releasing.set(local, resolve)
      local.release()
    })
  }

  /** A member of this process gave back what it owned. */
  released(): void {
    for (const [local, go] of this.#releasing) {
      if (local.holds()) continue
      this.#releasing.delete(local)
      go()
    }
  }

  /** See {@link join}. */
  async sync(group: ConsumerGroup, request: SyncRequest): Promise<SyncAnswer> {
    try {
      const answer = syncClassic(group, request)
      await this.#stored(group, [])
      return answer
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      return refusedSync(error.error)
    }
  }

  /** See {@link join}. */
  heartbeatOfClassic(group: ConsumerGroup, request: HeartbeatRequest): KafkaErrorName {
    try {
      return heartbeatClassic(group, request)
    } catch (error) {
      if (error instanceof Refusal) return error.error
      throw error
    }
  }

  /** Members of the classic protocol leave. */
  leaveOfClassic(group: ConsumerGroup, request: LeaveRequest): LeaveAnswer {
    const leaving = new Set<string>()
    const members = request.members.map(({ memberId, groupInstanceId = null }) => {
      try {
        const member = leavingClassic(group, { memberId, groupInstanceId })
        leaving.add(member.memberId)
        return { memberId: member.memberId, groupInstanceId, error: 'NONE' as const }
      } catch (error) {
        if (error instanceof Refusal) return { memberId, groupInstanceId, error: error.error }
        throw error
      }
    })
    if (leaving.size > 0) void this.#remove(group, [...leaving])
    return { error: 'NONE', members }
  }

  /** A member of this process sees that topics have changed. */
  rebalance(group: ConsumerGroup): void {
    const records: OffsetsLogRecord[] = []
    group.refresh(records)
    this.#nudge(group)
    void this.#store(group, records)
  }

  /** Members of this process are told what others learn by their heartbeats; what they are to give back they know themselves. */
  #nudge(group: ConsumerGroup): void {
    for (const member of group.members.values()) {
      if (member.local !== undefined && member.state !== 'unrevoked' && mustRejoin(group, member)) member.local.rebalance()
    }
  }

  /* ---- the group as a whole ---- */

  /** A group without members becomes a classic one, or goes. Gives what takes it away from what is stored. */
  dissolve(group: ConsumerGroup): OffsetsLogRecord[] {
    this.#forget(group)
    return group.tombstones()
  }

  #forget(group: ConsumerGroup): void {
    group.die()
    this.#groups.delete(group.groupId)
    this.#unstored.delete(group.groupId)
  }

  /** How groups of both kinds are described. */
  describe(group: ConsumerGroup): GroupDescription {
    const { groupId, state, groupEpoch, assignorName, members } = group.details()
    return {
      groupId, state, type: 'consumer', protocolType: 'consumer', protocol: assignorName, generation: groupEpoch,
      members: members.map(({ memberId, instanceId, clientId, clientHost, topicNames, assigned }) => ({
        memberId, groupInstanceId: instanceId, clientId, clientHost, metadata: encodeSubscription({ topics: topicNames }),
        assignment: encodeAssignment({ assignedPartitions: assigned.map(({ topicName, partitions }) => ({ topic: topicName, partitions })) }),
      })),
    }
  }

  /** How a group is described to those who know what it is; undefined when there is none of this kind. */
  details(groupId: string): ConsumerGroupDetails | undefined {
    return this.#groups.get(groupId)?.details()
  }

  /* ---- storing ---- */

  /** Stores records, and waits for those that are under way: who is answered can rely on all that the group knows. */
  async #stored(group: ConsumerGroup, records: readonly OffsetsLogRecord[]): Promise<void> {
    const idle = records.length === 0 && !this.#unstored.has(group.groupId)
    if (idle) await thrown(this.#storing.get(group.groupId) ?? NOTHING)
    else await thrown(this.#store(group, records))
  }

  /** As `stored`, for a member that waits for its answer. */
  async #storedFor(memberId: string, group: ConsumerGroup, records: readonly OffsetsLogRecord[]): Promise<void> {
    try {
      await this.#stored(group, records)
      group.unanswered.delete(memberId)
    } catch (error) {
      if (group.members.has(memberId)) group.unanswered.add(memberId)
      throw error
    }
  }

  #store(group: ConsumerGroup, records: readonly OffsetsLogRecord[]): Promise<Stored> {
    const { groupId } = group
    const again = this.#unstored.delete(groupId)
    if (records.length === 0 && !again) return Promise.resolve(NOTHING)
    return this.#append(groupId, again ? [...records, ...group.everything()] : records)
  }

  async #append(groupId: string, records: readonly OffsetsLogRecord[]): Promise<Stored> {
    const storing = this.#host.append(groupId, records)
    this.#storing.set(groupId, storing)
    const stored = await storing
    if (stored.error !== 'NONE') this.#unstored.add(groupId)
    if (this.#storing.get(groupId) === storing) this.#storing.delete(groupId)
    return stored
  }

  /** Waits for what is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#storing.values())
  }

  /* ---- loading ---- */

  /** Takes a record as it is loaded. */
  replay(record: ConsumerGroupRecord): void {
    const { groupId } = record.key
    let group = this.#groups.get(groupId)
    if (group === undefined) {
      if (record.value === null) return
      this.#groups.set(groupId, (group = new ConsumerGroup(groupId, this.#world)))
    }
    group.replay(record)
    if (record.kind === 'consumerGroupMetadata' && record.value === null) this.#forget(group)
  }

  /** All is loaded: members of the process before are gone, and others have their session time to be heard again. */
  loaded(): void {
    for (const [groupId, group] of this.#groups) if (group.epoch === 0 && group.members.size === 0) this.#groups.delete(groupId)
    if (this.#groups.size === 0 || this.#core.readOnly) return
    for (const group of [...this.#groups.values()]) {
      group.start()
      const gone = leftBehind(group)
      if (gone.length > 0) void this.#remove(group, gone)
    }
  }

  #topics(): TopicsView {
    if (this.#view !== undefined) return this.#view
    const entries = this.#core.topics
    return (this.#view = {
      version: this.#version, byName: new Map(entries.map((entry) => [entry.name, entry])),
      byId: new Map(entries.map((entry) => [uuidText(entry.id), entry])),
    })
  }

  #settings(groupId: string): ConsumerGroupSettings {
    const { options } = this.#core
    const own = this.settingsOf(groupId)
    return {
      sessionTimeoutMs: own.sessionTimeoutMs ?? options.groupConsumerSessionTimeoutMs ?? 45_000,
      heartbeatIntervalMs: own.heartbeatIntervalMs ?? options.groupConsumerHeartbeatIntervalMs ?? 5000,
      maxSize: own.maxSize ?? options.groupConsumerMaxSize ?? Infinity,
    }
  }
}

/** Throws what could not be stored. */
async function thrown(storing: Promise<Stored> | Stored): Promise<void> {
  const { error } = await storing
  if (error !== 'NONE') throw new Refusal(error)
}
