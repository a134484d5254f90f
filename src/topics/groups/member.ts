/*
 * A member of a group in this process: joins, leads when it is to, takes what it is assigned, gives back what goes to others, and joins again
 * whenever the group asks. Whose records are read meanwhile, and how, is the business of who uses it: group-consumer.ts, consume/.
 *
 * What it owns is its own until `revoked` resolved, until it is `lost`, or until it left: nobody is given any of it before.
 */
import { setInt32 } from '../../base/bytes.ts'
import { decodeAssignment, decodeSubscription, encodeAssignment, encodeSubscription } from '../../format/consumer-protocol.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type PartitionLog } from '../../log/partition-log.ts'
import { type LogCore } from '../log-core.ts'
import { type AssignorMember, type AssignorName, assignorNames, assignorOf, type TopicPartitions } from './assignors.ts'
import { type GroupCoordinator } from './coordinator.ts'
import { groupError } from './group-error.ts'
import { type GroupProtocol, IN_PROCESS_HOST, type JoinAnswer, type LocalMember } from './group-messages.ts'
import { type CommittedOffset, placeKey } from './offset-table.ts'
import { type Subscription, subscribedNames } from './subscription.ts'
import { checkCommit, commitEpoch } from './valid-commit.ts'

/** The default of `rebalanceTimeoutMs`, as Kafka's `max.poll.interval.ms`. */
const DEFAULT_REBALANCE_TIMEOUT_MS = 300_000
const DEFAULT_CLIENT_ID = 'commitlog'

/** A partition of a topic. */
export interface Place {
  readonly topic: string
  readonly partition: number
}

/** How far a partition is. */
export interface CommitEntry extends Place {
  /** The next one to read. */
  readonly offset: number
  /** The epoch of the log in which the record before it was read; −1: as the log has it. */
  readonly leaderEpoch: number
  readonly metadata?: string
  /** What is finished above it: consume/finished-set.ts. */
  readonly finished?: Buffer
}

/** What a member is told. Nothing of a partition is given to another member before `revoked` resolved. */
export interface MemberEvents {
  assigned(places: readonly Place[]): void | Promise<void>
  /** They will be another member's: what is in hand may be finished and committed first. */
  revoked(places: readonly Place[]): Promise<void>
  /** They are another member's already: commits are refused. */
  lost(places: readonly Place[]): void
  /** The membership ended by itself. */
  failed(error: unknown): void
}

/** How a member joins. */
export interface GroupMemberOptions {
  readonly groupId: string
  readonly subscription: Subscription
  /** The assignors that it offers, the most wanted first. Default: all. */
  readonly assignors?: readonly AssignorName[] | undefined
  /** Makes it a static member: one of each instance. */
  readonly instanceId?: string | undefined
  readonly clientId?: string | undefined
  /** Ms in which it gives back what goes to others. Default 300,000. */
  readonly rebalanceTimeoutMs?: number | undefined
}

/** One membership. */
export class GroupMember {
  readonly #core: LogCore
  readonly #options: GroupMemberOptions
  readonly #events: MemberEvents
  readonly #owned = new Map<string, Place>()
  readonly #commits = new Set<Promise<unknown>>()
  #groups: GroupCoordinator | undefined
  #memberId = ''
  #generation = -1
  /** What it said when it joined last, and how many partitions the group's topics had when it led. */
  #topics: readonly string[] = []
  #counts: ReadonlyMap<string, number> | undefined
  #again = false
  #wake: (() => void) | undefined
  #stopped = false
  #failure: { readonly error: unknown } | undefined
  #running: Promise<void> | undefined
  #leaving: Promise<void> | undefined
  #releasing: Promise<void> | undefined
  /** Its owner still lets go of what it has lost meanwhile. */
  #hanging: Promise<void> | undefined
  #evicted = signal()
  readonly #stop = signal()
  #started: (() => void) | undefined

  constructor(core: LogCore, options: GroupMemberOptions, events: MemberEvents) {
    this.#core = core
    this.#options = options
    this.#events = events
  }

  /** Joins; resolves when it was assigned what it gets first, after `assigned` resolved. */
  async start(): Promise<void> {
    this.#groups = await this.#core.groups()
    if (this.#stopped) return
    this.#groups.addLocal(this.#client)
    const started = new Promise<void>((resolve) => { this.#started = resolve })
    this.#running = this.#run()
    await started
    if (this.#failure !== undefined) throw this.#failure.error
  }

  /** What it owns. */
  get assignment(): readonly Place[] {
    return [...this.#owned.values()]
  }

  /** Whether it owns a partition at this moment. */
  owns({ topic, partition }: Place): boolean {
    return this.#owned.has(placeKey(topic, partition))
  }

  get memberId(): string {
    return this.#memberId
  }

  get generation(): number {
    return this.#generation
  }

  get groupId(): string {
    return this.#options.groupId
  }

  /**
   * Commits for partitions that it owns; resolves when it is durable.
   *
   * @throws LogError `LOG_MEMBER_UNKNOWN`, `LOG_GENERATION_STALE`, `LOG_MEMBER_FENCED`, `LOG_COMMIT_OUT_OF_RANGE`, and what storing fails with
   */
  async commit(entries: readonly CommitEntry[]): Promise<void> {
    for (const entry of entries) this.#checkMine(entry)
    // Of a topic that was deleted nothing is kept for the next one of its name.
    const there = new Set(this.#core.topics.map(({ name }) => name))
    const kept = entries.filter(({ topic }) => there.has(topic))
    if (kept.length === 0) return
    const offsets = kept.map((entry) => {
      const log = this.#logOf(entry)
      if (log !== undefined) checkCommit(log, entry.offset)
      return { ...entry, leaderEpoch: entry.leaderEpoch >= 0 || log === undefined ? entry.leaderEpoch : commitEpoch(log, entry.offset) }
    })
    const { groupId, instanceId = null } = this.#options
    const request = { groupId, memberId: this.#memberId, generation: this.#generation, groupInstanceId: instanceId, offsets }
    const committing = this.#groups!.commitOffsets(request)
    this.#commits.add(committing)
    try {
      const refused = (await committing).find(({ error }) => error !== 'NONE')
      if (refused !== undefined) throw refused.cause ?? groupError(refused.error, groupId, refused)
    } finally {
      this.#commits.delete(committing)
    }
  }

  /** What the group committed last, cut back to where it leaves the log's history; undefined for nothing. */
  committed(place: Place): CommittedOffset | undefined {
    return this.#groups?.offsets.valid(this.#options.groupId, place)
  }

  /** Gives back everything, `revoked` first, and leaves. Never rejects for what the group thinks of it. */
  leave(): Promise<void> {
    if (this.#leaving !== undefined) return this.#leaving
    this.#stopped = true
    this.#stop.give()
    this.#leaving = this.#leave()
    this.#groups?.removeLocal(this.#client, this.#leaving)
    return this.#leaving
  }

  async #leave(): Promise<void> {
    try {
      // What it is giving back already it is not asked for again.
      if (this.#hanging !== undefined) await Promise.race([this.#hanging, this.#evicted.given])
      await this.#giveBack(this.assignment)
    } finally {
      this.#owned.clear()
      this.#sayGoodbye()
      this.#wakeUp()
      await this.#running
    }
  }

  #sayGoodbye(): void {
    const { groupId } = this.#options
    const memberId = this.#memberId
    this.#memberId = ''
    if (memberId !== '') this.#groups!.leave({ groupId, members: [{ memberId }] })
  }

  /** How the coordinator sees it. */
  readonly #client = { topicsChanged: (): void => this.#topicsChanged(), leave: (): Promise<void> => this.leave() }

  /** How the group sees it. */
  readonly #local: LocalMember = {
    joined: (memberId) => {
      this.#memberId = memberId
      // It left while its join was on its way.
      if (this.#stopped) queueMicrotask(() => this.#sayGoodbye())
    },
    rebalance: () => {
      this.#again = true
      this.#wakeUp()
    },
    holds: () => this.#owned.size > 0,
    release: () => { this.#releasing ??= this.#release() },
    removed: (error) => this.#removed(error),
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      this.#again = false
      try {
        // Whoever does not let go of what was lost would not read what it is given next either.
        if (this.#hanging !== undefined) await Promise.race([this.#hanging, this.#stop.given])
        if (!this.#stopped) await this.#round()
      } catch (error) {
        this.#fail(error)
      }
      if (this.#stopped) break
      if (!this.#again) {
        this.#tellStarted()
        await new Promise<void>((resolve) => { this.#wake = resolve })
      }
    }
    this.#tellStarted()
  }

  /** One join, with what it brings. */
  async #round(): Promise<void> {
    const { groupId, instanceId = null, clientId = DEFAULT_CLIENT_ID, rebalanceTimeoutMs = DEFAULT_REBALANCE_TIMEOUT_MS } = this.#options
    const joined = await this.#groups!.join({
      groupId, memberId: this.#memberId, groupInstanceId: instanceId, clientId, clientHost: IN_PROCESS_HOST, sessionTimeoutMs: rebalanceTimeoutMs,
      rebalanceTimeoutMs, protocolType: 'consumer', protocols: this.#protocols(), local: this.#local,
    })
    if (this.#stopped || !this.#goesOn(joined.error)) return
    this.#generation = joined.generation
    const assignments = joined.memberId === joined.leader ? this.#assign(joined) : []
    const synced = await this.#groups!.sync({
      groupId, memberId: joined.memberId, groupInstanceId: instanceId, generation: joined.generation,
      protocolType: joined.protocolType, protocolName: joined.protocolName, assignments,
    })
    if (synced.cause !== undefined) throw synced.cause
    if (this.#stopped || !this.#goesOn(synced.error)) return
    await this.#take(decodeAssignment(synced.assignment).assignedPartitions)
  }

  /** Whether an answer is none of an error; after one that a new join cures, there will be one. */
  #goesOn(error: KafkaErrorName): boolean {
    if (error === 'NONE') return true
    if (error !== 'REBALANCE_IN_PROGRESS' && error !== 'ILLEGAL_GENERATION' && error !== 'UNKNOWN_MEMBER_ID') throw groupError(error, this.groupId)
    this.#again = true
    return false
  }

  /** Gives back what is not its own any more, then takes what is new. */
  async #take(assigned: readonly TopicPartitions[]): Promise<void> {
    const memberId = this.#memberId
    const places = new Map(assigned.flatMap(({ topic, partitions }) => (
      partitions.map((partition): [string, Place] => [placeKey(topic, partition), { topic, partition }])
    )))
    const revoked = [...this.#owned].filter(([key]) => !places.has(key)).map(([, place]) => place)
    if (revoked.length > 0) {
      await this.#giveBack(revoked)
      // Others may have it once everybody knows that it is free.
      this.#again = true
    }
    const added = [...places].filter(([key]) => !this.#owned.has(key)).map(([, place]) => place)
    if (added.length === 0) return
    await Promise.race([this.#groups!.offsets.stable(this.groupId, added), this.#untilWoken()])
    if (this.#stopped || this.#memberId !== memberId) return
    // Asked to join again meanwhile, while an open transaction still decides where they begin: they are nobody's yet.
    if (!this.#groups!.offsets.isStable(this.groupId, added)) return
    for (const place of added) this.#owned.set(placeKey(place.topic, place.partition), place)
    await this.#events.assigned(added)
  }

  async #untilWoken(): Promise<void> {
    if (this.#again) return
    await new Promise<void>((resolve) => { this.#wake = resolve })
  }

  /** Lets go of partitions once their owner and their commits are done with them, or its time is up: then it loses all. */
  async #giveBack(places: readonly Place[]): Promise<void> {
    if (places.length === 0) return
    const revoking = this.#revoke(places)
    const hanging = revoking.catch(() => {})
    this.#hanging = hanging
    void hanging.then(() => { if (this.#hanging === hanging) this.#hanging = undefined })
    const end = this.#groups!.deadline(this.#options.rebalanceTimeoutMs ?? DEFAULT_REBALANCE_TIMEOUT_MS, () => this.#evict())
    try {
      await Promise.race([revoking, this.#evicted.given])
    } finally {
      end.cancel()
      for (const { topic, partition } of places) this.#owned.delete(placeKey(topic, partition))
    }
  }

  async #revoke(places: readonly Place[]): Promise<void> {
    await this.#events.revoked(places)
    await Promise.allSettled(this.#commits)
  }

  #evict(): void {
    const memberId = this.#memberId
    if (memberId !== '') this.#groups!.leave({ groupId: this.groupId, members: [{ memberId }] })
    else this.#evicted.give()
  }

  async #release(): Promise<void> {
    try {
      await this.#giveBack(this.assignment)
    } catch (error) {
      this.#fail(error)
    } finally {
      this.#releasing = undefined
      this.#groups!.released(this.groupId)
    }
  }

  #removed(error: KafkaErrorName): void {
    this.#memberId = ''
    this.#generation = -1
    this.#evicted.give()
    this.#evicted = signal()
    this.#lose()
    if (error !== 'UNKNOWN_MEMBER_ID') this.#fail(groupError(error, this.groupId))
    this.#again = true
    this.#wakeUp()
  }

  #lose(): void {
    const places = this.assignment
    this.#owned.clear()
    if (places.length > 0) this.#events.lost(places)
  }

  #fail(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#stop.give()
    this.#failure = { error }
    this.#lose()
    this.#sayGoodbye()
    this.#groups!.removeLocal(this.#client, Promise.resolve())
    this.#wakeUp()
    this.#events.failed(error)
  }

  #wakeUp(): void {
    const wake = this.#wake
    this.#wake = undefined
    wake?.()
  }

  #tellStarted(): void {
    this.#started?.()
    this.#started = undefined
  }

  /** What it offers: in each protocol the same, in the form that its assignor reads. */
  #protocols(): GroupProtocol[] {
    this.#topics = subscribedNames(this.#options.subscription, this.#core.topics.map(({ name }) => name))
    const value = { topics: this.#topics, ownedPartitions: byTopic(this.assignment), generationId: this.#generation }
    return (this.#options.assignors ?? assignorNames).map((name) => {
      if (name === 'RoundRobinAssigner') return { name, metadata: encodeSubscription({ topics: this.#topics }, 0) }
      if (name !== 'cooperative-sticky') return { name, metadata: encodeSubscription(value) }
      // Members that read older versions look for the generation here.
      const userData = Buffer.alloc(4)
      setInt32(userData, 0, this.#generation)
      return { name, metadata: encodeSubscription({ ...value, userData }) }
    })
  }

  /** As the leader: who gets what. */
  #assign({ protocolName, members }: JoinAnswer): { memberId: string; assignment: Buffer }[] {
    const assignor = assignorOf(protocolName ?? '')
    if (assignor === undefined) throw groupError('INCONSISTENT_GROUP_PROTOCOL', this.groupId)
    const counts = this.#groups!.partitionCounts()
    const described = members.map(({ memberId, groupInstanceId, metadata }) => describedMember(memberId, groupInstanceId, metadata))
    const topics = new Set(described.flatMap((member) => member.topics))
    this.#counts = new Map([...topics].map((topic) => [topic, counts.get(topic) ?? 0]))
    const version = protocolName === 'RoundRobinAssigner' ? 0 : undefined
    return [...assignor.assign(described, counts)].map(([memberId, assignedPartitions]) => (
      { memberId, assignment: encodeAssignment({ assignedPartitions: assignedPartitions.map(copied) }, version) }
    ))
  }

  /** Topics or partitions came or went. */
  #topicsChanged(): void {
    const topics = subscribedNames(this.#options.subscription, this.#core.topics.map(({ name }) => name))
    const counts = this.#groups!.partitionCounts()
    const sizes = this.#counts
    const otherSizes = sizes !== undefined && [...sizes].some(([topic, count]) => (counts.get(topic) ?? 0) !== count)
    const otherTopics = topics.length !== this.#topics.length || topics.some((topic, index) => topic !== this.#topics[index])
    if (!otherSizes && !otherTopics) return
    this.#counts = otherSizes ? undefined : sizes
    this.#again = true
    if (otherSizes) this.#groups!.rebalance(this.groupId)
    this.#wakeUp()
  }

  #logOf({ topic, partition }: Place): PartitionLog | undefined {
    return this.#core.openTopics.find(({ entry }) => entry.name === topic)?.logs[partition]
  }

  #checkMine(place: Place): void {
    if (this.owns(place)) return
    if (this.#failure !== undefined) throw this.#failure.error
    throw groupError(this.#memberId === '' ? 'UNKNOWN_MEMBER_ID' : 'ILLEGAL_GENERATION', this.groupId, place)
  }
}

interface Signal {
  readonly given: Promise<void>
  readonly give: () => void
}

function signal(): Signal {
  let give = (): void => {}
  const given = new Promise<void>((resolve) => { give = resolve })
  return { given, give }
}

function describedMember(memberId: string, instanceId: string | null, metadata: Buffer): AssignorMember {
  try {
    const { topics, ownedPartitions, generationId } = decodeSubscription(metadata)
    return { memberId, instanceId, topics, owned: ownedPartitions, generation: generationId }
  } catch {
    // One that says what nobody understands gets nothing; all others go on.
    return { memberId, instanceId, topics: [], owned: [], generation: -1 }
  }
}

function byTopic(places: readonly Place[]): { topic: string; partitions: number[] }[] {
  const topics = new Map<string, number[]>()
  for (const { topic, partition } of places) {
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, [partition])
    else partitions.push(partition)
  }
  return [...topics].map(([topic, partitions]) => ({ topic, partitions }))
}

function copied({ topic, partitions }: TopicPartitions): { topic: string; partitions: number[] } {
  return { topic, partitions: [...partitions] }
}
