/*
 * The coordinator of one group, as members of groups in this process speak to theirs (topics/groups/member.ts): what they ask goes to the
 * broker that coordinates the group, and heartbeats tell that they are there. One of these for each member.
 */
import { type Timer } from '../base/clock.ts'
import { type KafkaErrorName } from '../format/kafka-errors.ts'
import { finishedIn, metadataWith } from '../topics/consume/finished-metadata.ts'
import { type GroupCoordinator } from '../topics/groups/coordinator.ts'
import type {
  CommitRequest, CommitResult, JoinAnswer, JoinRequest, LeaveAnswer, LeaveRequest, LocalMember, SyncAnswer, SyncRequest,
} from '../topics/groups/group-messages.ts'
import { type CommittedOffset, placeKey } from '../topics/groups/offset-table.ts'
import { type Call } from './call.ts'
import { type Broker, type Cluster, type Line } from './cluster.ts'
import { byTopic, lastOfEach, type PlaceName } from './ends.ts'
import { checkAnswer, clusterGroupError, nameOf } from './errors.ts'
import { type GroupOffset, type GroupOffsets } from './group-offsets.ts'

/** Heartbeats in a session. */
const HEARTBEATS = 15
/** A join that is answered later than that is asked again. */
const JOIN_MARGIN_MS = 30_000
/** Assignors under which a member gives everything back before it joins again. */
const cooperative: readonly (string | null)[] = ['cooperative-sticky']

/** What members and consumers of a group use of its coordinator. */
type MemberSide = Pick<
  GroupCoordinator,
  'addLocal' | 'removeLocal' | 'join' | 'sync' | 'leave' | 'commitOffsets' | 'deadline' | 'released' | 'rebalance' | 'partitionCounts' | 'refresh'
>

/** The coordinator of one group, for one member. */
export class RemoteGroups implements MemberSide {
  readonly offsets: RemoteOffsets
  /** Called when somebody is about to be a member, and when nobody is any more. */
  onJoin: () => void = () => {}
  onRest: () => void = () => {}
  #joined = 0
  readonly #cluster: Cluster
  readonly #group: string
  #line: Line | undefined
  #local: LocalMember | undefined
  #protocol: string | null = null
  #rebalanceTimeoutMs = 0
  #isStatic = false
  /** It is about to join again, and knows that it has to. */
  #releasing = false
  #beat: Timer | undefined
  #released: (() => void) | undefined
  #onTopics: (() => void) | undefined
  #closed = false

  constructor(cluster: Cluster, group: string, groupOffsets: GroupOffsets) {
    this.#cluster = cluster
    this.#group = group
    this.offsets = new RemoteOffsets(group, groupOffsets)
  }

  addLocal(local: { topicsChanged(): void }): void {
    this.#joined++
    this.onJoin()
    this.#onTopics = this.#cluster.onTopicsChanged(() => local.topicsChanged())
  }

  removeLocal(_local: unknown, left: Promise<void>): void {
    this.#onTopics?.()
    this.#onTopics = undefined
    this.#joined--
    void left.catch(() => {}).then(() => this.#rest())
  }

  /** Nobody is a member any more: what only members need is let go. */
  async #rest(): Promise<void> {
    await Promise.all(this.#leaving)
    if (this.#joined > 0) return
    this.onRest()
    const line = this.#line
    this.#line = undefined
    await line?.close()
  }

  async join(request: JoinRequest): Promise<JoinAnswer> {
    const { local, rebalanceTimeoutMs } = request
    this.#local = local
    this.#rebalanceTimeoutMs = rebalanceTimeoutMs
    this.#isStatic = (request.groupInstanceId ?? null) !== null
    // Others may be given what this member has as soon as it joins, where assignors do not know what is owned.
    if (this.#protocol !== null && !cooperative.includes(this.#protocol) && local?.holds() === true) {
      // What is in hand may take longer than a session: until it is given back the member goes on telling that it is there.
      this.#releasing = true
      await new Promise<void>((resolve) => {
        this.#released = resolve
        local.release()
      })
      this.#releasing = false
    }
    this.#stopBeating()
    this.#line ??= this.#cluster.line(rebalanceTimeoutMs + JOIN_MARGIN_MS)
    let answer = await this.#join(request, request.memberId)
    if (answer.error === 'MEMBER_ID_REQUIRED') {
      local?.joined(answer.memberId)
      answer = await this.#join(request, answer.memberId)
    }
    if (answer.error === 'UNKNOWN_MEMBER_ID' || answer.error === 'FENCED_INSTANCE_ID') local?.removed(answer.error)
    if (answer.error === 'NONE') {
      this.#protocol = answer.protocolName
      local?.joined(answer.memberId)
    }
    return answer
  }

  async #join({ groupId, groupInstanceId = null, rebalanceTimeoutMs, protocolType, protocols }: JoinRequest, memberId: string): Promise<JoinAnswer> {
    const { joinGroupV7 } = this.#cluster.client
    const { sessionTimeoutMs } = this.#cluster.options
    const call = this.#longCall(rebalanceTimeoutMs)
    const answer = await this.#asked(call, (broker) => this.#line!.ask(
      call, broker, joinGroupV7.api, groupId, sessionTimeoutMs, rebalanceTimeoutMs, memberId, groupInstanceId, protocolType, [...protocols], null,
    ))
    this.#checkAllowed(answer.errorCode)
    return {
      error: nameOf(answer.errorCode), memberId: answer.memberId ?? '', generation: answer.generationId, protocolType: answer.protocolType ?? null,
      protocolName: answer.protocolName ?? null, leader: answer.leader, skipAssignment: false,
      members: answer.members.map((member) => (
        { memberId: member.memberId, groupInstanceId: member.groupInstanceId ?? null, metadata: member.metadata ?? Buffer.alloc(0) }
      )),
    }
  }

  async sync(request: SyncRequest): Promise<SyncAnswer> {
    const { groupId, memberId, groupInstanceId = null, generation, protocolType = null, protocolName = null, assignments } = request
    const { syncGroupV5 } = this.#cluster.client
    const call = this.#longCall(this.#rebalanceTimeoutMs)
    const answer = await this.#asked(call, (broker) => this.#line!.ask(
      call, broker, syncGroupV5.api, groupId, generation, memberId, groupInstanceId, protocolType!, protocolName!, [...assignments],
    ))
    this.#checkAllowed(answer.errorCode)
    const error = nameOf(answer.errorCode)
    if (error === 'NONE') this.#beatLater({ groupId, memberId, groupInstanceId, generation })
    else if (error === 'UNKNOWN_MEMBER_ID' || error === 'FENCED_INSTANCE_ID') this.#local?.removed(error)
    return { error, protocolType: answer.protocolType ?? null, protocolName: answer.protocolName ?? null, assignment: answer.assignment }
  }

  leave({ groupId, members }: LeaveRequest): LeaveAnswer {
    this.#stopBeating()
    // A static member only stops: who comes back under its name within the session goes on where it was, and nobody else is disturbed.
    if (!this.#isStatic) {
      const leaving = this.#leave(groupId, members)
      this.#leaving.add(leaving)
      void leaving.finally(() => this.#leaving.delete(leaving))
    }
    return { error: 'NONE', members: members.map(({ memberId }) => ({ memberId, groupInstanceId: null, error: 'NONE' })) }
  }

  readonly #leaving = new Set<Promise<void>>()

  async #leave(groupId: string, members: LeaveRequest['members']): Promise<void> {
    const { leaveGroupV4 } = this.#cluster.client
    const asked = members.map(({ memberId, groupInstanceId = null }) => ({ memberId, groupInstanceId }))
    try {
      const call = this.#cluster.call()
      const broker = await this.#cluster.coordinatorOf(call, 'group', groupId)
      await this.#cluster.main.ask(call, broker, leaveGroupV4.api, groupId, asked as unknown as Parameters<typeof leaveGroupV4.api.async>[2])
    } catch {
      // Its session will end.
    }
  }

  async commitOffsets(
    { memberId, generation, groupInstanceId = null, offsets: given }: CommitRequest, call: Call = this.#cluster.call(),
  ): Promise<readonly CommitResult[]> {
    const offsets = lastOfEach(given)
    const { offsetCommitV8 } = this.#cluster.client
    const topics = byTopic(offsets).map(([name, partitions]) => ({
      name,
      partitions: partitions.map((partitionIndex) => {
        const { offset, leaderEpoch, metadata, finished } = offsets.find((one) => one.topic === name && one.partition === partitionIndex)!
        const committedMetadata = metadataWith(metadata, finished)
        return { partitionIndex, committedOffset: BigInt(offset), committedLeaderEpoch: leaderEpoch, committedMetadata }
      }),
    }))
    const answer = await this.#cluster.coordinated(
      call, 'group', this.#group,
      (broker) => this.#cluster.main.ask(call, broker, offsetCommitV8.api, this.#group, generation, memberId, groupInstanceId, topics),
      ({ topics: of }) => of[0]?.partitions[0]?.errorCode ?? 0,
    )
    const results: CommitResult[] = []
    for (const { name: topic, partitions } of answer.topics) {
      for (const { partitionIndex: partition, errorCode } of partitions) {
        const error = nameOf(errorCode)
        if (error === 'NONE') this.offsets.stored(offsets.find((one) => one.topic === topic && one.partition === partition)!)
        results.push(error === 'NONE' ? { topic, partition, error } : {
          topic, partition, error, cause: clusterGroupError(error, this.#group, { topic, partition }),
        })
      }
    }
    return results
  }

  deadline(ms: number, passed: () => void): ReturnType<GroupCoordinator['deadline']> {
    return this.#cluster.options.clock.setTimer(passed, ms, { ref: false }) as ReturnType<GroupCoordinator['deadline']>
  }

  released(_groupId: string): void {
    this.#released?.()
    this.#released = undefined
  }

  /** Its next join, as that of any leader, begins one. */
  rebalance(_groupId: string): void {}

  partitionCounts(): ReadonlyMap<string, number> {
    return new Map(this.#cluster.topics.map(({ name, leaders }) => [name, leaders.length]))
  }

  /** Learns what the group has committed by now. */
  async refresh(): Promise<void> {
    await this.offsets.load()
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#stopBeating()
    this.#onTopics?.()
    await Promise.all(this.#leaving)
    await this.#line?.close()
    this.#line = undefined
  }

  /** Asks the coordinator; members find by themselves what most errors mean. */
  #asked<T extends { readonly errorCode: number }>(call: Call, ask: (broker: Broker) => Promise<T>): Promise<T> {
    return this.#cluster.coordinated<T>(call, 'group', this.#group, ask, ({ errorCode }) => errorCode)
  }

  /** Who joins waits for the others, who have so long to give back what they have. */
  #longCall(rebalanceTimeoutMs: number): Call {
    return this.#cluster.call(undefined, Math.max(this.#cluster.options.timeoutMs, rebalanceTimeoutMs + JOIN_MARGIN_MS))
  }

  #checkAllowed(errorCode: number): void {
    const name = nameOf(errorCode)
    if (name !== 'GROUP_AUTHORIZATION_FAILED' && name !== 'INVALID_SESSION_TIMEOUT') return
    checkAnswer(errorCode, `group "${this.#group}"`, { group: this.#group })
  }

  // Heartbeats

  #beatLater(member: HeartbeatingMember): void {
    this.#stopBeating()
    if (this.#closed) return
    const { clock, sessionTimeoutMs } = this.#cluster.options
    this.#beat = clock.setTimer(() => void this.#heartbeat(member), Math.max(1, sessionTimeoutMs / HEARTBEATS), { ref: false })
  }

  #stopBeating(): void {
    this.#beat?.cancel()
    this.#beat = undefined
  }

  async #heartbeat(member: HeartbeatingMember): Promise<void> {
    const { heartbeatV4 } = this.#cluster.client
    const mine = this.#beat
    let error: KafkaErrorName = 'NONE'
    try {
      // One that is silent is asked again, or another one, while there is time.
      const call = this.#cluster.call(undefined, this.#cluster.options.sessionTimeoutMs / 3)
      const broker = await this.#cluster.coordinatorOf(call, 'group', this.#group)
      const { groupId, generation, memberId, groupInstanceId } = member
      error = nameOf((await this.#cluster.main.ask(call, broker, heartbeatV4.api, groupId, generation, memberId, groupInstanceId)).errorCode)
    } catch {
      this.#cluster.forgetCoordinator('group', this.#group)
    }
    // It has joined again meanwhile, or left.
    if (this.#beat !== mine || this.#closed) return
    if (error === 'NOT_COORDINATOR' || error === 'COORDINATOR_NOT_AVAILABLE') this.#cluster.forgetCoordinator('group', this.#group)
    if (error === 'REBALANCE_IN_PROGRESS' && !this.#releasing) this.#local?.rebalance()
    if (error === 'UNKNOWN_MEMBER_ID' || error === 'ILLEGAL_GENERATION') return this.#local?.removed('UNKNOWN_MEMBER_ID')
    if (error === 'FENCED_INSTANCE_ID') return this.#local?.removed(error)
    this.#beatLater(member)
  }
}

interface HeartbeatingMember {
  readonly groupId: string
  readonly memberId: string
  readonly groupInstanceId: string | null
  readonly generation: number
}

/** What a group has committed, as one member knows it. */
export class RemoteOffsets {
  /** Called with what is committed. */
  onStored: (place: PlaceName, offset: number) => void = () => {}
  /** Called before partitions are begun with. */
  onBegin: (places: readonly PlaceName[]) => Promise<void> = async () => {}
  /** Called when a transaction that is open holds up what is committed for a partition that is begun with. */
  onUnstable: (place: PlaceName) => Promise<void> = async () => {}
  readonly #group: string
  readonly #source: Pick<GroupOffsets, 'committed'>
  readonly #known = new Map<string, CommittedOffset>()
  /** Counts commits, and says when each place was committed for last. */
  #commits = 0
  readonly #storedAt = new Map<string, number>()

  constructor(group: string, source: Pick<GroupOffsets, 'committed'>) {
    this.#group = group
    this.#source = source
  }

  get(_group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#known.get(placeKey(topic, partition))
  }

  valid(group: string, { topic, partition }: PlaceName): CommittedOffset | undefined {
    return this.get(group, topic, partition)
  }

  /** Nothing ages here that the cluster does not let age. */
  keep(_group: string, _topic: string): () => void {
    return () => {}
  }

  /** Learns all that is committed, once no open transaction commits for it. What was stored since it was asked is newer than the answer. */
  async load(unstable?: (place: PlaceName) => Promise<void>): Promise<void> {
    const asked = this.#commits
    const all = await this.#source.committed(this.#group, { unstable })
    const newer = [...this.#known].filter(([key]) => (this.#storedAt.get(key) ?? 0) > asked)
    this.#known.clear()
    for (const one of all) this.#known.set(placeKey(one.topic, one.partition), committedOf(one))
    for (const [key, committed] of newer) this.#known.set(key, committed)
  }

  async stable(_group: string, places: readonly PlaceName[]): Promise<void> {
    const partitions = new Set(places.map(({ partition }) => partition))
    const unstable = async (place: PlaceName): Promise<void> => {
      if (partitions.has(place.partition)) await this.onUnstable(place)
    }
    await Promise.all([this.load(unstable), this.onBegin(places)])
  }

  isStable(_group: string, _places: readonly PlaceName[]): boolean {
    return true
  }

  /** Commits go by themselves here: there are no rounds to wait for. */
  beforeRound(_listener: () => void): () => void {
    return () => {}
  }

  stored({ topic, partition, offset, leaderEpoch, metadata, finished }: CommitRequest['offsets'][number]): void {
    this.#storedAt.set(placeKey(topic, partition), ++this.#commits)
    this.#known.set(placeKey(topic, partition), {
      offset, leaderEpoch, metadata: metadata ?? '', commitTimestamp: -1, expireTimestamp: -1, finished, at: -1,
    })
    this.onStored({ topic, partition }, offset)
  }
}

function committedOf({ offset, leaderEpoch, metadata }: GroupOffset): CommittedOffset {
  return { offset, leaderEpoch, metadata, commitTimestamp: -1, expireTimestamp: -1, finished: finishedIn(metadata, offset), at: -1 }
}
