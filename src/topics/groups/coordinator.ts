/*
 * The coordinator of all groups of a log: loads what is stored of them, passes messages on to each (classic-group.ts, and consumer-groups.ts
 * for those of the newer protocol), stores their offsets and tells them. In message form: what a member did wrong is an error by Kafka's name
 * in the answer, never thrown. Members of this process (member.ts) and clients of the wire speak to the same one.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type LogCore } from '../log-core.ts'
import { ClassicGroup, type GroupWorld } from './classic-group.ts'
import { CommittedOffsets, type Stored, type TopicPartition } from './committed-offsets.ts'
import { type ConsumerGroup, type ConsumerGroupSettings } from './consumer-group.ts'
import {
  type ConsumerGroupDetails, type ConsumerHeartbeatAnswer, type ConsumerHeartbeatRequest, refusedHeartbeat,
} from './consumer-group-messages.ts'
import { ConsumerGroups } from './consumer-groups.ts'
import { type Deadline, Deadlines } from './deadlines.ts'
import {
  type CommitRequest, type CommitResult, type GroupDescription, type GroupState, type HeartbeatRequest, type JoinAnswer,
  type JoinRequest, type LeaveAnswer, type LeaveRequest, refusedJoin, refusedSync, type SyncAnswer, type SyncRequest,
} from './group-messages.ts'
import { type GroupMetadata, groupTombstone } from './group-records.ts'
import { GroupWrites } from './group-writes.ts'
import { isMerger } from './merger-group.ts'
import { agedOfClassic, agedOfConsumers } from './offset-age.ts'
import { type OfTransaction } from './offsets-log.ts'
import { ShareGroups } from './share-groups.ts'
import { readStored, type StoredGroups } from './stored-groups.ts'

/** A group in a list. */
export interface ListedGroup {
  readonly groupId: string
  readonly protocolType: string
  readonly state: GroupState
  readonly type: GroupDescription['type']
}

/** A member of this process that the coordinator looks after. */
export interface LocalClient {
  topicsChanged(): void
  leave(): Promise<void>
}

/** The groups of one open folder. */
export class GroupCoordinator {
  /** What the groups committed. */
  readonly offsets: CommittedOffsets
  readonly #core: LogCore
  readonly #deadlines: Deadlines
  readonly #world: GroupWorld
  readonly #groups = new Map<string, ClassicGroup>()
  readonly #stored = new Map<string, GroupMetadata>()
  readonly #shares = new ShareGroups()
  readonly #consumers: ConsumerGroups
  readonly #writes: GroupWrites
  /** Groups that are being forgotten: who comes meanwhile comes into a new one. */
  readonly #erasing = new Map<string, Promise<Stored>>()
  readonly #locals = new Set<LocalClient>()
  readonly #leaving = new Set<Promise<void>>()
  readonly #unlisten: () => void
  #closed = false

  private constructor(core: LogCore) {
    this.#core = core
    this.offsets = new CommittedOffsets(core)
    this.#writes = new GroupWrites((groupId, records) => this.offsets.append(groupId, records))
    this.#deadlines = new Deadlines(core.env.clock)
    this.#world = {
      clock: core.env.clock, deadlines: this.#deadlines, initialRebalanceDelayMs: core.options.groupInitialRebalanceDelayMs ?? 0,
      newMemberId: (prefix) => `${prefix}-${dashed(core.options.random.bytes(16))}`,
      store: (group) => this.#writes.store(group),
      abandoned: (group) => this.#abandoned(group),
      expired: ({ groupId }, { memberId, clientId }) => {
        core.env.emit?.({ type: 'member-expired', ...this.offsets.placeOf(groupId), groupId, memberId, clientId })
      },
    }
    if (core.readOnly) this.#deadlines.close()
    this.#consumers = new ConsumerGroups(core, this.#deadlines, {
      classicWorld: this.#world,
      append: (groupId, records) => this.offsets.append(groupId, records),
      classic: (groupId) => this.#group(groupId),
      forgetClassic: (groupId) => this.#forgetClassic(groupId),
      keepClassic: (group) => void this.#groups.set(group.groupId, group),
      placeOf: (groupId) => this.offsets.placeOf(groupId),
    })
    this.#unlisten = core.onTopicsChanged(() => {
      this.#consumers.topicsChanged()
      for (const local of this.#locals) local.topicsChanged()
    })
  }

  /** Loads the groups of an open folder. */
  static async open(core: LogCore): Promise<GroupCoordinator> {
    const coordinator = new GroupCoordinator(core)
    await coordinator.#load()
    return coordinator
  }

  // Members

  /** A member joins a group, which is made when there is none; answered when the join phase ends. */
  async join(request: JoinRequest): Promise<JoinAnswer> {
    const refused = request.groupId === '' ? 'INVALID_GROUP_ID' : await this.#writable()
    if (refused !== undefined) return refusedJoin(refused, request.memberId)
    await this.#erasing.get(request.groupId)
    if (this.#shares.has(request.groupId)) return refusedJoin('INCONSISTENT_GROUP_PROTOCOL', request.memberId)
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined && consumers.members.size > 0) return this.#consumers.join(consumers, request)
    const group = this.#group(request.groupId)
    if (group !== undefined) return group.join(request)
    if (request.memberId !== '') return refusedJoin('UNKNOWN_MEMBER_ID', request.memberId)
    if (consumers !== undefined) this.#convert(consumers)
    const made = this.#makeGroup(request.groupId)
    const answer = made.join(request)
    // Who cannot come in leaves no group behind.
    if (made.state === 'Empty' && made.members.pending.size === 0) this.#groups.delete(request.groupId)
    return answer
  }

  /** A member asks for its assignment, and the leader brings all; answered when that is stored. */
  sync(request: SyncRequest): Promise<SyncAnswer> {
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined) return this.#consumers.sync(consumers, request)
    return this.#group(request.groupId)?.sync(request) ?? Promise.resolve(refusedSync('UNKNOWN_MEMBER_ID'))
  }

  heartbeat(request: HeartbeatRequest): { readonly error: KafkaErrorName } {
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined) return { error: this.#consumers.heartbeatOfClassic(consumers, request) }
    return { error: this.#group(request.groupId)?.heartbeat(request) ?? 'UNKNOWN_MEMBER_ID' }
  }

  leave(request: LeaveRequest): LeaveAnswer {
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined) return this.#consumers.leaveOfClassic(consumers, request)
    const group = this.#group(request.groupId)
    if (group !== undefined) return group.leave(request)
    const members = request.members.map(({ memberId, groupInstanceId = null }) => (
      { memberId, groupInstanceId, error: 'UNKNOWN_MEMBER_ID' as const }
    ))
    return { error: 'NONE', members }
  }

  // Members of the newer protocol

  /** A member of a consumer group (KIP-848) joins, is there, or leaves; answered when what that changes is stored. */
  async consumerHeartbeat(request: ConsumerHeartbeatRequest): Promise<ConsumerHeartbeatAnswer> {
    const refused = await this.#writable()
    if (refused !== undefined) return refusedHeartbeat(refused)
    if (this.#shares.has(request.groupId)) return refusedHeartbeat('GROUP_ID_NOT_FOUND', `Group ${request.groupId} is not a consumer group.`)
    return this.#consumers.heartbeat(request)
  }

  /** A consumer group with its members; undefined when there is none of this name, or it is of another kind: `describe` tells. */
  describeConsumerGroup(groupId: string): ConsumerGroupDetails | undefined {
    return this.#consumers.details(groupId)
  }

  /**
   * Whether somebody who says to be a member may ask for the offsets of a group: NONE, UNKNOWN_MEMBER_ID, STALE_MEMBER_EPOCH or, for members
   * of the classic protocol in a consumer group, ILLEGAL_GENERATION. In all other groups everybody may.
   *
   * @param memberId     null when the client does not say
   * @param memberEpoch  −1 when the client does not say
   */
  checkMember(groupId: string, memberId: string | null, memberEpoch: number): KafkaErrorName {
    return this.#consumers.get(groupId)?.mayFetch(memberId, memberEpoch) ?? 'NONE'
  }

  /** Asks `settings` for what single groups are told to do otherwise than the log's options say. */
  useGroupSettings(settings: (groupId: string) => Partial<ConsumerGroupSettings>): void {
    this.#consumers.settingsOf = settings
  }

  // Offsets

  /** Commits offsets; resolves when they are durable, with what became of each, in their order. */
  async commitOffsets(request: CommitRequest): Promise<readonly CommitResult[]> {
    return this.#commit(request, undefined)
  }

  /**
   * Commits offsets within a transaction: they count from its commit on, see {@link transactionEnded}. Resolves when they are durable.
   */
  appendTransactionalOffsets(producerId: bigint, producerEpoch: number, request: CommitRequest): Promise<readonly CommitResult[]> {
    return this.#commit(request, { producerId, producerEpoch })
  }

  // Groups

  /** All groups: those with members, and those that have committed something. */
  list(): readonly ListedGroup[] {
    const kept = new Set([...this.#groups.keys(), ...this.#stored.keys(), ...this.#shares.names(), ...this.#consumers.names()])
    return [...new Set([...kept, ...this.offsets.groups()])].map((groupId) => {
      // There may be very many that nobody is a member of.
      const idle = !kept.has(groupId)
      if (idle) return { groupId, protocolType: '', state: 'Empty', type: 'classic' }
      const { protocolType, state, type } = this.describe(groupId)!
      return { groupId, protocolType, state, type }
    })
  }

  /** A group with its members; undefined when there is none of this name. */
  describe(groupId: string): GroupDescription | undefined {
    const consumers = this.#consumers.get(groupId)
    if (consumers !== undefined) return this.#consumers.describe(consumers)
    const group = this.#group(groupId)
    const shareEpoch = this.#shares.epochOf(groupId)
    if (group === undefined || shareEpoch === undefined) return group?.describe()
    return { ...group.describe(), type: 'share', protocolType: 'share', generation: shareEpoch }
  }

  /** Forgets a group without members, and its offsets. */
  async deleteGroup(groupId: string): Promise<{ readonly error: KafkaErrorName; readonly cause?: unknown }> {
    const consumers = this.#consumers.get(groupId)
    if (consumers !== undefined) return this.#deleteConsumers(consumers)
    const group = this.#group(groupId)
    if (group === undefined || group.state === 'Dead') return { error: 'GROUP_ID_NOT_FOUND' }
    if (group.state !== 'Empty') return { error: 'NON_EMPTY_GROUP' }
    const refused = await this.#writable()
    if (refused !== undefined) return { error: refused }
    return this.#erase(group)
  }

  /** Forgets what a group committed for partitions of topics that no member subscribes to. */
  async deleteOffsets(groupId: string, partitions: readonly TopicPartition[]): Promise<{
    readonly error: KafkaErrorName
    readonly partitions: readonly CommitResult[]
  }> {
    const consumers = this.#consumers.get(groupId)
    const group = this.#group(groupId)
    if (consumers === undefined && (group === undefined || group.state === 'Dead')) return { error: 'GROUP_ID_NOT_FOUND', partitions: [] }
    if (group !== undefined && group.state !== 'Empty' && group.protocolType !== 'consumer') return { error: 'NON_EMPTY_GROUP', partitions: [] }
    const refused = await this.#writable()
    if (refused !== undefined) return { error: refused, partitions: [] }
    const subscribed = (consumers ?? group!).subscribedTopics()
    const gone = partitions.filter(({ topic, partition }) => !subscribed.has(topic) && this.offsets.get(groupId, topic, partition) !== undefined)
    const { error } = await this.offsets.remove(groupId, gone)
    const results = partitions.map(({ topic, partition }) => (
      { topic, partition, error: subscribed.has(topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' as const : error }
    ))
    return { error: 'NONE', partitions: results }
  }

  /**
   * Forgets offsets that are older than `offsetsRetentionMs`, and groups without members that have none; gives how many offsets. What was
   * replayed of dead letters is never forgotten.
   */
  async expireOffsets(now: number): Promise<number> {
    if (this.#core.readOnly) return 0
    let count = 0
    for (const { groupId } of this.list()) {
      if (isMerger(groupId)) continue
      const consumers = this.#consumers.get(groupId)
      const group = this.#group(groupId)
      if (consumers !== undefined) {
        const gone = agedOfConsumers(this.offsets, consumers, now)
        if (consumers.state === 'Empty' && this.#areAll(groupId, gone)) await this.#eraseConsumers(consumers)
        else await this.offsets.remove(groupId, gone)
        count += gone.length
      } else if (group !== undefined) {
        const gone = agedOfClassic(this.offsets, group, now)
        if (group.state === 'Empty' && group.members.pending.size === 0 && this.#areAll(groupId, gone)) await this.#erase(group)
        else await this.offsets.remove(groupId, gone)
        count += gone.length
      }
    }
    return count
  }

  /** Whether a group has no offsets but these, and will not get any by a transaction. */
  #areAll(groupId: string, places: readonly TopicPartition[]): boolean {
    return places.length === this.offsets.all(groupId).length && !this.offsets.hasPending(groupId)
  }

  // Members of this process

  /** Looks after a member of this process until it has left. */
  addLocal(local: LocalClient): void {
    this.#locals.add(local)
  }

  /** The member leaves; whoever closes the log waits for `left`. */
  removeLocal(local: LocalClient, left: Promise<void>): void {
    this.#locals.delete(local)
    const done = left.catch(() => {}).finally(() => this.#leaving.delete(done))
    this.#leaving.add(done)
  }

  /** Calls `passed` when a member of this process had `ms` for something. */
  deadline(ms: number, passed: () => void): Deadline {
    return this.#deadlines.set(ms, passed)
  }

  /** A member of this process gave back what it owned. */
  released(groupId: string): void {
    this.#consumers.released()
    this.#groups.get(groupId)?.released()
  }

  /** A member of this process wants another rebalance. */
  rebalance(groupId: string): void {
    const consumers = this.#consumers.get(groupId)
    if (consumers !== undefined) this.#consumers.rebalance(consumers)
    this.#groups.get(groupId)?.rebalance()
  }

  /** How many partitions each topic has. */
  partitionCounts(): ReadonlyMap<string, number> {
    return new Map(this.#core.topics.map(({ name, partitions }) => [name, partitions]))
  }

  /** Waits for members that are leaving, with what they commit. */
  async settled(): Promise<void> {
    await Promise.all(this.#leaving)
    await this.#writes.settled()
    await this.#consumers.settled()
  }

  /** Reads what a writer in another process added; for a read-only log. */
  async refresh(): Promise<void> {
    if (this.#core.readOnly) await this.#load()
  }

  /** Lets the members of this process leave and stores what is to be stored. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#unlisten()
    await Promise.allSettled([...this.#locals].map((local) => local.leave()))
    await this.settled()
    this.#closed = true
    this.#deadlines.close()
  }

  // What is stored

  async #load(): Promise<void> {
    await this.offsets.load((record) => readStored(record, this.#loading))
    this.#consumers.loaded()
    for (const [groupId, stored] of this.#stored) {
      // Sessions of members that were there run from now on; all other groups wait until somebody asks for them.
      if (!this.#core.readOnly && stored.members.some(({ wire }) => wire)) this.#group(groupId)
    }
  }

  readonly #loading: StoredGroups = {
    commit: (groupId, topic, partition, committed) => this.offsets.loaded(groupId, topic, partition, committed),
    classic: (groupId, metadata) => {
      if (metadata === null) this.#stored.delete(groupId)
      else this.#stored.set(groupId, metadata)
      if (this.#core.readOnly) this.#groups.delete(groupId)
    },
    consumers: (record) => this.#consumers.replay(record),
    share: (record, key) => this.#shares.replay(record, key),
  }

  /** A consumer group without members goes on as a classic one, at its offsets. */
  #convert(group: ConsumerGroup): void {
    void this.offsets.append(group.groupId, this.#consumers.dissolve(group))
  }

  /** It goes on as a consumer group. What waits to be stored of it is of no use any more. */
  #forgetClassic(groupId: string): void {
    this.#groups.delete(groupId)
    this.#writes.forget(groupId)
  }

  /** The classic group of a name. */
  #group(groupId: string): ClassicGroup | undefined {
    let group = this.#groups.get(groupId)
    if (group !== undefined) return group
    if (this.#consumers.get(groupId) !== undefined) return undefined
    const stored = this.#stored.get(groupId)
    if (stored !== undefined) group = ClassicGroup.loaded(groupId, this.#world, stored)
    else if (this.offsets.has(groupId) || this.#shares.has(groupId)) group = new ClassicGroup(groupId, this.#world)
    if (group === undefined) return undefined
    this.#stored.delete(groupId)
    this.#groups.set(groupId, group)
    return group
  }

  #makeGroup(groupId: string): ClassicGroup {
    const group = new ClassicGroup(groupId, this.#world)
    this.#groups.set(groupId, group)
    return group
  }

  /** A group that nobody came into leaves nothing behind. */
  #abandoned({ groupId, generation }: ClassicGroup): void {
    if (generation === 0 && !this.offsets.has(groupId) && !this.#shares.has(groupId)) this.#groups.delete(groupId)
  }

  /** Why nothing can be stored; undefined when it can. */
  async #writable(): Promise<KafkaErrorName | undefined> {
    const refused = this.#unwritable()
    if (refused !== undefined || this.offsets.isOpen) return refused
    await this.offsets.create()
    return this.#unwritable()
  }

  #unwritable(): KafkaErrorName | undefined {
    return this.#closed || this.#core.readOnly ? 'COORDINATOR_NOT_AVAILABLE' : undefined
  }

  async #commit(request: CommitRequest, transaction: OfTransaction | undefined): Promise<readonly CommitResult[]> {
    const { groupId, offsets } = request
    // Without a wait where that is possible: who commits before a round is written goes with it.
    const unwritable = this.offsets.isOpen ? this.#unwritable() : await this.#writable()
    const erasing = this.#erasing.get(groupId)
    if (erasing !== undefined) await erasing
    const refused = unwritable ?? this.#mayCommit(request, transaction !== undefined)
    if (refused !== 'NONE') return offsets.map(({ topic, partition }) => ({ topic, partition, error: refused }))
    return this.offsets.commit(groupId, offsets, transaction)
  }

  #mayCommit(request: CommitRequest, transactional: boolean): KafkaErrorName {
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined) return consumers.mayCommit(request, transactional)
    if (this.#shares.has(request.groupId) && request.generation >= 0) return 'UNKNOWN_MEMBER_ID'
    const group = this.#group(request.groupId)
    if (group !== undefined) return group.mayCommit(request, transactional)
    if (request.generation >= 0) return 'ILLEGAL_GENERATION'
    this.#makeGroup(request.groupId)
    return 'NONE'
  }

  #erase(group: ClassicGroup): Promise<Stored> {
    const erasing = this.#eraseNow(group).finally(() => this.#erasing.delete(group.groupId))
    this.#erasing.set(group.groupId, erasing)
    return erasing
  }

  async #eraseNow(group: ClassicGroup): Promise<Stored> {
    const { groupId } = group
    group.die()
    await this.#writes.settledOf(groupId)
    const tombstones = [groupTombstone(groupId), ...this.#shares.tombstones(groupId)]
    const result = await this.offsets.remove(groupId, this.offsets.all(groupId), tombstones)
    this.#groups.delete(groupId)
    if (result.error === 'NONE') this.#shares.forget(groupId)
    return result
  }

  async #deleteConsumers(group: ConsumerGroup): Promise<{ error: KafkaErrorName; cause?: unknown }> {
    const refused = await this.#writable()
    if (refused !== undefined) return { error: refused }
    return group.state === 'Empty' ? this.#eraseConsumers(group) : { error: 'NON_EMPTY_GROUP' }
  }

  #eraseConsumers(group: ConsumerGroup): Promise<Stored> {
    const { groupId } = group
    return this.offsets.remove(groupId, this.offsets.all(groupId), this.#consumers.dissolve(group))
  }
}

/** 16 bytes as a UUID is written. */
function dashed(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
