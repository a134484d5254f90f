/*
 * The coordinator of all groups of a log: loads what is stored of them, passes messages on to each (classic-group.ts, and consumer-groups.ts
 * for those of the newer protocol), stores their offsets and tells them. In message form: what a member did wrong is an error by Kafka's name
 * in the answer, never thrown. Members of this process (member.ts) and clients of the wire speak to the same one.
 */
import { isLogError } from '../../base/errors.ts'
import { decodeOffsetsRecord, readOffsetCommit } from '../../format/consumer-offsets.ts'
import { decodeSubscription } from '../../format/consumer-protocol.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { OFFSETS_TOPIC } from '../internal-topics.ts'
import { type LogCore } from '../log-core.ts'
import { ClassicGroup, type GroupWorld } from './classic-group.ts'
import { type ConsumerGroup, type ConsumerGroupSettings } from './consumer-group.ts'
import {
  type ConsumerGroupDetails, type ConsumerHeartbeatAnswer, type ConsumerHeartbeatRequest, refusedHeartbeat,
} from './consumer-group-messages.ts'
import { type ConsumerGroupRecord } from './consumer-group-records.ts'
import { ConsumerGroups, type Stored } from './consumer-groups.ts'
import { type Deadline, Deadlines } from './deadlines.ts'
import {
  type CommitRequest, type CommitResult, type GroupDescription, type GroupState, type HeartbeatRequest, type JoinAnswer,
  type JoinRequest, type LeaveAnswer, type LeaveRequest, type OffsetToCommit, type SyncAnswer, type SyncRequest,
} from './group-messages.ts'
import { commitRecord, FINISHED_HEADER, groupMetadata, type GroupMetadata, groupRecord, groupTombstone } from './group-records.ts'
import { isMerger } from './merger-group.ts'
import { type CommittedOffset, type CommittedPlace, OffsetTable } from './offset-table.ts'
import { type OfTransaction, OffsetsLog, type OffsetsLogRecord, type ReadOffsetsRecord } from './offsets-log.ts'
import { validCommit } from './valid-commit.ts'

/** Longest metadata of a commit in UTF-16 code units, as `offset.metadata.max.bytes` of Kafka. */
export const MAX_METADATA = 4096

/** A partition that is named in a message. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** The answer for one partition: offset −1 where nothing is committed. */
export interface FetchedOffset extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly error: KafkaErrorName
}

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

/** A share group, as a folder of Kafka's holds it: without members, and read only. */
interface NewerGroup {
  readonly type: 'share'
  epoch: number
  /** The keys of its records, as binary strings: to be taken away when it becomes a classic group. */
  readonly keys: Set<string>
}

/** The groups of one open folder. */
export class GroupCoordinator {
  readonly #core: LogCore
  readonly #log: OffsetsLog
  readonly #table = new OffsetTable()
  readonly #deadlines: Deadlines
  readonly #world: GroupWorld
  readonly #groups = new Map<string, ClassicGroup>()
  readonly #stored = new Map<string, GroupMetadata>()
  readonly #newer = new Map<string, NewerGroup>()
  readonly #consumers: ConsumerGroups
  readonly #storing = new Map<string, Storing>()
  /** Groups that are being forgotten: who comes meanwhile comes into a new one. */
  readonly #erasing = new Map<string, Promise<Stored>>()
  readonly #locals = new Set<LocalClient>()
  readonly #leaving = new Set<Promise<void>>()
  readonly #unlisten: () => void
  /** Topics whose offsets do not age though no member subscribes to them, by group. */
  readonly #kept = new Map<string, Set<{ readonly topic: string }>>()
  #unstable: (() => void)[] = []
  #closed = false

  private constructor(core: LogCore) {
    this.#core = core
    this.#log = new OffsetsLog(core)
    this.#deadlines = new Deadlines(core.env.clock)
    this.#world = {
      clock: core.env.clock, deadlines: this.#deadlines, initialRebalanceDelayMs: core.options.groupInitialRebalanceDelayMs ?? 0,
      newMemberId: (prefix) => `${prefix}-${dashed(core.options.random.bytes(16))}`,
      store: (group) => this.#store(group),
      abandoned: (group) => this.#abandoned(group),
    }
    if (core.readOnly) this.#deadlines.close()
    this.#consumers = new ConsumerGroups(core, this.#deadlines, {
      classicWorld: this.#world,
      append: (groupId, records) => this.#append(groupId, records),
      classic: (groupId) => this.#group(groupId),
      forgetClassic: (groupId) => this.#forgetClassic(groupId),
      keepClassic: (group) => void this.#groups.set(group.groupId, group),
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
    if (refused !== undefined) return { ...noJoin, error: refused, memberId: request.memberId }
    await this.#erasing.get(request.groupId)
    if (this.#newer.has(request.groupId)) return { ...noJoin, error: 'INCONSISTENT_GROUP_PROTOCOL', memberId: request.memberId }
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined && consumers.members.size > 0) return this.#consumers.join(consumers, request)
    const group = this.#group(request.groupId)
    if (group !== undefined) return group.join(request)
    if (request.memberId !== '') return { ...noJoin, error: 'UNKNOWN_MEMBER_ID', memberId: request.memberId }
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
    const group = this.#group(request.groupId)
    const none = { error: 'UNKNOWN_MEMBER_ID', protocolType: null, protocolName: null, assignment: Buffer.alloc(0) } as const
    return group === undefined ? Promise.resolve(none) : group.sync(request)
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
    if (this.#newer.has(request.groupId)) return refusedHeartbeat('GROUP_ID_NOT_FOUND', `Group ${request.groupId} is not a consumer group.`)
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

  /** The transaction of a producer has ended: its marker is stored in the offsets topic. */
  transactionEnded(producerId: bigint, committed: boolean): void {
    this.#table.end(producerId, committed)
    for (const wake of this.#unstable.splice(0)) wake()
  }

  /** Whether no open transaction commits for any of these partitions. */
  isStable(groupId: string, places: readonly TopicPartition[]): boolean {
    return !this.#table.hasPending(groupId) || !places.some(({ topic, partition }) => this.#table.isPending(groupId, topic, partition))
  }

  /** Resolves when that is so. */
  async stable(groupId: string, places: readonly TopicPartition[]): Promise<void> {
    while (!this.isStable(groupId, places)) {
      await new Promise<void>((resolve) => this.#unstable.push(resolve))
    }
  }

  /**
   * What a group committed: for the partitions asked for, or for all that it committed for.
   *
   * @param requireStable  an open transaction that commits for a partition is UNSTABLE_OFFSET_COMMIT
   */
  fetchOffsets(groupId: string, partitions?: readonly TopicPartition[], requireStable = false): FetchedOffset[] {
    return (partitions ?? this.#table.all(groupId)).map(({ topic, partition }) => {
      const unstable = requireStable && this.#table.isPending(groupId, topic, partition)
      const committed = unstable ? undefined : this.#table.get(groupId, topic, partition)
      return {
        topic, partition, offset: committed?.offset ?? -1, leaderEpoch: committed?.leaderEpoch ?? -1, metadata: committed?.metadata ?? '',
        error: unstable ? 'UNSTABLE_OFFSET_COMMIT' : 'NONE',
      }
    })
  }

  /** What a group committed for a partition, as it is stored. */
  committed(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#table.get(groupId, topic, partition)
  }

  /** What of it belongs to the log still, as far as its topic is open in this process. */
  validCommitted(groupId: string, { topic, partition }: TopicPartition): CommittedOffset | undefined {
    const stored = this.committed(groupId, topic, partition)
    const log = this.#core.openTopics.find(({ entry }) => entry.name === topic)?.logs[partition]
    return stored === undefined || log === undefined ? stored : validCommit(log, stored)
  }

  /** All that a group committed, as it is stored. */
  committedOffsets(groupId: string): readonly CommittedPlace[] {
    return this.#table.all(groupId)
  }

  /** Where the offsets of a group are kept: what a transaction that commits some writes its marker to. */
  offsetsPartition(groupId: string): TopicPartition {
    return { topic: OFFSETS_TOPIC, partition: this.#log.partitionOf(groupId) }
  }

  /** Calls `listener` before a round of commits is written: what it commits goes with it. Gives the function that ends it. */
  beforeRound(listener: () => void): () => void {
    this.#log.beforeRound.add(listener)
    return () => void this.#log.beforeRound.delete(listener)
  }

  // Groups

  /** All groups: those with members, and those that have committed something. */
  list(): readonly ListedGroup[] {
    const kept = new Set([...this.#groups.keys(), ...this.#stored.keys(), ...this.#newer.keys(), ...this.#consumers.names()])
    return [...new Set([...kept, ...this.#table.groups()])].map((groupId) => {
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
    const newer = this.#newer.get(groupId)
    if (group === undefined || newer === undefined) return group?.describe()
    return { ...group.describe(), type: newer.type, protocolType: newer.type, generation: newer.epoch }
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
    const subscribed = consumers?.subscribedTopics() ?? subscribedTopics(group!)
    const gone = partitions.filter(({ topic, partition }) => !subscribed.has(topic) && this.#table.get(groupId, topic, partition) !== undefined)
    const failure = await this.#remove(groupId, gone)
    const results = partitions.map(({ topic, partition }) => (
      { topic, partition, error: subscribed.has(topic) ? 'GROUP_SUBSCRIBED_TO_TOPIC' as const : failure.error }
    ))
    return { error: 'NONE', partitions: results }
  }

  /** Forgets what all groups committed for a topic that is gone. */
  async topicDeleted(topic: string): Promise<void> {
    for (const groupId of [...this.#table.groups()]) {
      const gone = this.#table.all(groupId).filter((place) => place.topic === topic)
      for (const { partition } of gone) this.#table.removePending(groupId, topic, partition)
      await this.#remove(groupId, gone)
    }
  }

  /**
   * Forgets offsets that are older than `offsetsRetentionMs`, and groups without members that have none, as Kafka does: a group's offsets age
   * from when it became empty; those of topics that a group with members does not read any more, and of who is in no group, from their commit.
   * What was replayed of dead letters is never forgotten.
   */
  async expireOffsets(now: number): Promise<number> {
    if (this.#core.readOnly) return 0
    let count = 0
    for (const { groupId } of this.list()) {
      if (isMerger(groupId)) continue
      const consumers = this.#consumers.get(groupId)
      if (consumers !== undefined) count += await this.#expireConsumers(consumers, now)
      const group = this.#group(groupId)
      if (group === undefined) continue
      const places = this.#table.all(groupId)
      const gone = places.filter((place) => this.#isExpired(group, place, now))
      const idle = group.state === 'Empty' && group.members.pending.size === 0 && !this.#table.hasPending(groupId)
      if (idle && gone.length === places.length) await this.#erase(group)
      else if (gone.length > 0) await this.#remove(groupId, gone)
      count += gone.length
    }
    return count
  }

  /** Offsets of a topic that no member subscribes to stay while somebody of this process uses them. Gives the function that ends it. */
  keepOffsets(groupId: string, topic: string): () => void {
    const kept = this.#kept.get(groupId) ?? new Set()
    const one = { topic }
    this.#kept.set(groupId, kept.add(one))
    return () => void kept.delete(one)
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
    await Promise.allSettled([...this.#storing.values()].map(({ running, next }) => next?.done ?? running))
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
    await this.#log.load((record) => this.#loadRecord(record))
    this.#consumers.loaded()
    for (const [groupId, stored] of this.#stored) {
      // Sessions of members that were there run from now on; all other groups wait until somebody asks for them.
      if (!this.#core.readOnly && stored.members.some(({ wire }) => wire)) this.#group(groupId)
    }
  }

  #loadRecord(record: ReadOffsetsRecord): void {
    const { key, value } = record
    if (key === null) return
    const commit = value === null ? undefined : readOffsetCommit(key, value)
    if (commit !== undefined) {
      const { group, topic, partition, offset, leaderEpoch, metadata, commitTimestamp } = commit
      const finished = finishedOf(record)
      return this.#table.put(group, topic, partition, {
        offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp: -1, finished, at: record.offset,
      })
    }
    const decoded = this.#decode(key, record)
    if (decoded === undefined) return
    if (decoded.kind === 'offsetCommit') {
      const { group, topic, partition } = decoded.key
      if (decoded.value === null) return this.#table.remove(group, topic, partition)
      this.#table.put(group, topic, partition, { ...decoded.value, at: record.offset, finished: finishedOf(record) })
    } else if (decoded.kind === 'groupMetadata') {
      const { group } = decoded.key
      if (decoded.value === null) this.#stored.delete(group)
      else this.#stored.set(group, groupMetadata(decoded.value))
      if (this.#core.readOnly) this.#groups.delete(group)
    } else if (isConsumerRecord(decoded)) {
      this.#consumers.replay(decoded)
    } else {
      this.#loadNewer(decoded, key)
    }
  }

  /** A record that nobody understands is left alone: it may be of a newer Kafka. */
  #decode(key: Buffer, record: ReadOffsetsRecord): Exclude<ReturnType<typeof decodeOffsetsRecord>, { kind: 'unknown' }> | undefined {
    try {
      const decoded = decodeOffsetsRecord(key, record.value)
      return decoded.kind === 'unknown' ? undefined : decoded
    } catch (error) {
      if (isLogError(error, 'LOG_VERSION_UNSUPPORTED') || isLogError(error, 'LOG_DECODE_FAILED')) return undefined
      throw error
    }
  }

  #loadNewer(record: ShareGroupRecord, key: Buffer): void {
    const { groupId } = record.key
    let newer = this.#newer.get(groupId)
    const binary = key.toString('latin1')
    if (record.value === null) {
      newer?.keys.delete(binary)
      if (newer?.keys.size === 0) this.#newer.delete(groupId)
      return
    }
    if (newer === undefined) this.#newer.set(groupId, (newer = { type: 'share', epoch: 0, keys: new Set() }))
    newer.keys.add(binary)
    if (record.kind === 'shareGroupMetadata') newer.epoch = record.value.epoch
  }

  /** A consumer group without members goes on as a classic one, at its offsets. */
  #convert(group: ConsumerGroup): void {
    void this.#log.append(group.groupId, this.#consumers.dissolve(group)).catch(() => {})
  }

  /** It goes on as a consumer group. What waits to be stored of it is of no use any more. */
  #forgetClassic(groupId: string): void {
    this.#groups.delete(groupId)
    const storing = this.#storing.get(groupId)
    storing?.next?.settle(Promise.resolve())
    if (storing !== undefined) storing.next = undefined
  }

  /** The classic group of a name. */
  #group(groupId: string): ClassicGroup | undefined {
    let group = this.#groups.get(groupId)
    if (group !== undefined) return group
    if (this.#consumers.get(groupId) !== undefined) return undefined
    const stored = this.#stored.get(groupId)
    if (stored !== undefined) group = ClassicGroup.loaded(groupId, this.#world, stored)
    else if (this.#table.has(groupId) || this.#newer.has(groupId)) group = new ClassicGroup(groupId, this.#world)
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
    if (generation === 0 && !this.#table.has(groupId) && !this.#newer.has(groupId)) this.#groups.delete(groupId)
  }

  /** Why nothing can be stored; undefined when it can. */
  async #writable(): Promise<KafkaErrorName | undefined> {
    const refused = this.#unwritable()
    if (refused !== undefined || this.#log.isOpen) return refused
    await this.#log.create()
    return this.#unwritable()
  }

  #unwritable(): KafkaErrorName | undefined {
    return this.#closed || this.#core.readOnly ? 'COORDINATOR_NOT_AVAILABLE' : undefined
  }

  async #commit(request: CommitRequest, transaction: OfTransaction | undefined): Promise<readonly CommitResult[]> {
    const { groupId, offsets } = request
    // Without a wait where that is possible: who commits before a round is written goes with it.
    const unwritable = this.#log.isOpen ? this.#unwritable() : await this.#writable()
    const erasing = this.#erasing.get(groupId)
    if (erasing !== undefined) await erasing
    const refused = unwritable ?? this.#mayCommit(request, transaction !== undefined)
    if (refused !== 'NONE') return offsets.map(({ topic, partition }) => ({ topic, partition, error: refused }))
    const now = this.#core.env.clock.now()
    const short = offsets.filter(({ metadata }) => (metadata?.length ?? 0) <= MAX_METADATA)
    const accepted = short.map((offset) => ({ offset, stored: toStore(offset, now) }))
    const records = accepted.map(({ offset: { topic, partition }, stored }) => commitRecord(groupId, topic, partition, stored))
    const stored = await this.#append(groupId, records, transaction)
    if (stored.error === 'NONE') {
      accepted.forEach(({ offset: { topic, partition }, stored: committed }, index) => {
        const place = { ...committed, at: stored.baseOffset + index }
        if (transaction === undefined) this.#table.put(groupId, topic, partition, place)
        else this.#table.putPending(transaction.producerId, groupId, topic, partition, place)
      })
    }
    const taken = new Set(accepted.map(({ offset }) => offset))
    return offsets.map((offset) => {
      const { topic, partition } = offset
      if (!taken.has(offset)) return { topic, partition, error: 'OFFSET_METADATA_TOO_LARGE' }
      return { topic, partition, error: stored.error, ...(stored.cause !== undefined && { cause: stored.cause }) }
    })
  }

  #mayCommit(request: CommitRequest, transactional: boolean): KafkaErrorName {
    const consumers = this.#consumers.get(request.groupId)
    if (consumers !== undefined) return consumers.mayCommit(request, transactional)
    if (this.#newer.has(request.groupId) && request.generation >= 0) return 'UNKNOWN_MEMBER_ID'
    const group = this.#group(request.groupId)
    if (group !== undefined) return group.mayCommit(request, transactional)
    if (request.generation >= 0) return 'ILLEGAL_GENERATION'
    this.#makeGroup(request.groupId)
    return 'NONE'
  }

  async #append(
    groupId: string, records: readonly OffsetsLogRecord[], transaction?: OfTransaction,
  ): Promise<{ readonly error: KafkaErrorName; readonly baseOffset: number; readonly cause?: unknown }> {
    if (records.length === 0) return { error: 'NONE', baseOffset: -1 }
    try {
      return { error: 'NONE', baseOffset: await this.#log.append(groupId, records, transaction) }
    } catch (cause) {
      return { error: 'COORDINATOR_NOT_AVAILABLE', baseOffset: -1, cause }
    }
  }

  /** Stores what a group is now. One record of a group is under way at a time; of those that wait behind it the last one counts. */
  #store(group: ClassicGroup): Promise<void> {
    const { groupId } = group
    // Of a group that nobody outside of this process is a member of only the last state is of interest.
    const wire = [...group.members.all()].some(({ local }) => local === undefined)
    const encoded = wire ? groupRecord(group) : undefined
    const record = (): OffsetsLogRecord => encoded ?? groupRecord(group)
    const storing = this.#storing.get(groupId)
    if (storing === undefined) {
      const running = this.#append(groupId, [record()]).then(throwCause).finally(() => this.#storeNext(groupId))
      this.#storing.set(groupId, { running, next: undefined })
      return running
    }
    storing.next ??= waiting()
    storing.next.record = record
    return storing.next.done
  }

  #storeNext(groupId: string): void {
    const next = this.#storing.get(groupId)?.next
    if (next === undefined || this.#groups.get(groupId)?.state === 'Dead') {
      this.#storing.delete(groupId)
      return next?.settle(Promise.resolve())
    }
    const running = this.#append(groupId, [next.record()]).then(throwCause).finally(() => this.#storeNext(groupId))
    this.#storing.set(groupId, { running, next: undefined })
    next.settle(running)
  }

  async #remove(groupId: string, places: readonly TopicPartition[]): Promise<{ error: KafkaErrorName; cause?: unknown }> {
    const result = await this.#append(groupId, places.map(({ topic, partition }) => commitRecord(groupId, topic, partition, null)))
    if (result.error === 'NONE') for (const { topic, partition } of places) this.#table.remove(groupId, topic, partition)
    return result
  }

  #erase(group: ClassicGroup): Promise<Stored> {
    const erasing = this.#eraseNow(group).finally(() => this.#erasing.delete(group.groupId))
    this.#erasing.set(group.groupId, erasing)
    return erasing
  }

  async #eraseNow(group: ClassicGroup): Promise<Stored> {
    const { groupId } = group
    const places = this.#table.all(groupId)
    const keys = [...(this.#newer.get(groupId)?.keys ?? [])]
    group.die()
    await this.#storing.get(groupId)?.running.catch(() => {})
    const result = await this.#append(groupId, [
      ...places.map(({ topic, partition }) => commitRecord(groupId, topic, partition, null)), groupTombstone(groupId),
      ...keys.map((key) => ({ key: Buffer.from(key, 'latin1'), value: null })),
    ])
    this.#groups.delete(groupId)
    if (result.error !== 'NONE') return result
    for (const { topic, partition } of places) this.#table.remove(groupId, topic, partition)
    this.#newer.delete(groupId)
    return result
  }

  async #deleteConsumers(group: ConsumerGroup): Promise<{ error: KafkaErrorName; cause?: unknown }> {
    const refused = await this.#writable()
    if (refused !== undefined) return { error: refused }
    return group.state === 'Empty' ? this.#eraseConsumers(group) : { error: 'NON_EMPTY_GROUP' }
  }

  async #eraseConsumers(group: ConsumerGroup): Promise<{ error: KafkaErrorName; cause?: unknown }> {
    const { groupId } = group
    const places = this.#table.all(groupId)
    const gone = places.map(({ topic, partition }) => commitRecord(groupId, topic, partition, null))
    const result = await this.#append(groupId, [...gone, ...this.#consumers.dissolve(group)])
    if (result.error === 'NONE') for (const { topic, partition } of places) this.#table.remove(groupId, topic, partition)
    return result
  }

  /** Offsets of a consumer group age from their commit, where no member reads the topic; without members and offsets the group goes. */
  async #expireConsumers(group: ConsumerGroup, now: number): Promise<number> {
    const { groupId } = group
    const places = this.#table.all(groupId)
    const subscribed = group.subscribedTopics()
    const gone = places.filter(({ topic, partition, commitTimestamp, expireTimestamp }) => {
      if (subscribed.has(topic) || this.#isKept(groupId, topic) || this.#table.isPending(groupId, topic, partition)) return false
      return expireTimestamp >= 0 ? now >= expireTimestamp : this.#isOld(commitTimestamp, now)
    })
    if (group.state === 'Empty' && gone.length === places.length && !this.#table.hasPending(groupId)) await this.#eraseConsumers(group)
    else if (gone.length > 0) await this.#remove(groupId, gone)
    return gone.length
  }

  #isExpired(group: ClassicGroup, { topic, partition, commitTimestamp, expireTimestamp }: CommittedPlace, now: number): boolean {
    if (this.#table.isPending(group.groupId, topic, partition)) return false
    if (this.#isKept(group.groupId, topic)) return false
    if (expireTimestamp >= 0) return group.state === 'Empty' && now >= expireTimestamp
    if (group.protocolType === null) return this.#isOld(commitTimestamp, now)
    if (group.state === 'Empty') return this.#isOld(Math.max(group.stateSince, commitTimestamp), now)
    if (group.state !== 'Stable' || group.protocolType !== 'consumer' || subscribedTopics(group).has(topic)) return false
    return this.#isOld(commitTimestamp, now)
  }

  /** Whether somebody of this process said so: see `keepOffsets`. */
  #isKept(groupId: string, topic: string): boolean {
    for (const kept of this.#kept.get(groupId) ?? []) if (kept.topic === topic) return true
    return false
  }

  #isOld(since: number, now: number): boolean {
    return now - since >= (this.#core.options.offsetsRetentionMs ?? Infinity)
  }
}

type ReadRecord = Exclude<ReturnType<typeof decodeOffsetsRecord>, { kind: 'unknown' | 'offsetCommit' | 'groupMetadata' }>
type ShareGroupRecord = Exclude<ReadRecord, ConsumerGroupRecord>

function isConsumerRecord(record: ReadRecord): record is ConsumerGroupRecord {
  return record.kind.startsWith('consumerGroup')
}

const noJoin: JoinAnswer = {
  error: 'NONE', memberId: '', generation: -1, protocolType: null, protocolName: null, leader: '', skipAssignment: false, members: [],
}

/** A record of a group under way, and the one that goes next. */
interface Storing {
  readonly running: Promise<void>
  next: Waiting | undefined
}

interface Waiting {
  record: () => OffsetsLogRecord
  readonly done: Promise<void>
  readonly settle: (as: Promise<void>) => void
}

function waiting(): Waiting {
  let settle: (as: Promise<void>) => void = () => {}
  const done = new Promise<void>((resolve) => { settle = resolve })
  return { record: () => { throw new Error('nothing waits') }, done, settle }
}

function finishedOf(record: ReadOffsetsRecord): Buffer | undefined {
  const finished = record.header(FINISHED_HEADER)
  return finished === undefined || finished === null ? undefined : Buffer.from(finished)
}

function throwCause({ error, cause }: { readonly error: KafkaErrorName; readonly cause?: unknown }): void {
  if (error !== 'NONE') throw cause
}

function toStore({ offset, leaderEpoch, metadata, retentionMs, finished }: OffsetToCommit, now: number): Omit<CommittedOffset, 'at'> {
  const expireTimestamp = retentionMs === undefined ? -1 : now + retentionMs
  return { offset, leaderEpoch, metadata: metadata ?? '', commitTimestamp: now, expireTimestamp, finished }
}

/** The topics that the members of a group of consumers read. */
function subscribedTopics(group: ClassicGroup): ReadonlySet<string> {
  const topics = new Set<string>()
  if (group.protocolType !== 'consumer') return topics
  for (const { protocols } of group.members.all()) {
    try {
      for (const topic of decodeSubscription(protocols[0]!.metadata).topics) topics.add(topic)
    } catch (error) {
      if (!isLogError(error)) throw error
    }
  }
  return topics
}

/** 16 bytes as a UUID is written. */
function dashed(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString('hex')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}
