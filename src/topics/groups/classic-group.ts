/*
 * One group: who its members are, in which generation, and what they were assigned. Driven by messages, with Kafka's states and answers:
 *
 *    Empty -- join --> PreparingRebalance -- all joined, or time is up --> CompletingRebalance -- the leader's sync --> Stable
 *
 * A join, a leave or a time-out sends it back to PreparingRebalance; without members it is Empty. Members of this process are members like
 * all others; what is more is that nobody is given anything under an eager protocol before those of this process that still own partitions
 * have given them back. Not here: the members themselves (member.ts), how long they are waited for (join-phase.ts), what is stored and how
 * (coordinator.ts), offsets.
 */
import { assert } from '../../base/assert.ts'
import { type Clock } from '../../base/clock.ts'
import { isLogError } from '../../base/errors.ts'
import { decodeSubscription } from '../../format/consumer-protocol.ts'
import { type GroupMetadata } from './group-records.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { assignorOf } from './assignors.ts'
import { type Deadline, type Deadlines } from './deadlines.ts'
import {
  type GroupDescription, type GroupState, type HeartbeatRequest, type JoinAnswer, type JoinRequest, type LeaveAnswer, type LeaveRequest,
  refusedJoin, refusedSync, type SyncAnswer, type SyncRequest,
} from './group-messages.ts'
import { describeMember, type Member, Members, metadataOf, newMember, offersSame } from './group-members.ts'
import { JoinPhase } from './join-phase.ts'

/** How long a new member may take until it hears of its first generation. */
const NEW_MEMBER_MS = 300_000
const NOTHING = Buffer.alloc(0)

/** What a group needs of its coordinator. */
export interface GroupWorld {
  readonly clock: Clock
  readonly deadlines: Deadlines
  /** Ms that the first rebalance of an empty group waits for more members. */
  readonly initialRebalanceDelayMs: number
  newMemberId(prefix: string): string
  /** Stores what the group is now. */
  store(group: ClassicGroup): Promise<void>
  /** The last one who meant to come into an empty group did not come: it may be of no use any more. */
  abandoned(group: ClassicGroup): void
  /** A member was not heard of in time. */
  expired(group: ClassicGroup, member: Member): void
}

/** Who says something: checked before anything else is. */
type Speaker = Pick<HeartbeatRequest, 'memberId' | 'groupInstanceId'>

/** A group of the classic protocol. */
export class ClassicGroup {
  readonly groupId: string
  readonly members = new Members()
  state: GroupState = 'Empty'
  generation = 0
  protocolType: string | null = null
  protocolName: string | null = null
  leader: string | null = null
  /** When it came into its state, ms since 1970. */
  stateSince: number
  readonly #world: GroupWorld
  /** How many members wait for the answer to their join. */
  #joined = 0
  readonly #joinPhase: JoinPhase
  /** Ms that the first rebalance waits for more members. */
  #initialDelayMs = 0
  /** Members that have not asked for their assignment, and when they are out. */
  readonly #notSynced = new Set<Member>()
  #syncEnd: Deadline | undefined
  /** It is about to be looked at whether all have joined. */
  #completing = false

  constructor(groupId: string, world: GroupWorld) {
    this.groupId = groupId
    this.#world = world
    this.stateSince = world.clock.now()
    this.#joinPhase = new JoinPhase({
      clock: world.clock, deadlines: world.deadlines, mayEnd: () => this.#completeSoon(), timeIsUp: () => this.#joinTimeIsUp(),
    })
  }

  /** As it was stored. Members of the process that is gone are left out; others have their session time to be heard again. */
  static loaded(groupId: string, world: GroupWorld, stored: GroupMetadata): ClassicGroup {
    const group = new ClassicGroup(groupId, world)
    group.generation = stored.generation
    group.protocolType = stored.protocolType === '' ? null : stored.protocolType
    if (stored.currentStateTimestamp >= 0) group.stateSince = stored.currentStateTimestamp
    const alive = stored.members.filter(({ wire }) => wire)
    if (alive.length === 0) return group
    group.protocolName = stored.protocol
    group.leader = stored.leader
    for (const one of alive) {
      const member: Member = {
        ...newMember(one.memberId, {
          ...one, groupId, protocolType: stored.protocolType, protocols: [{ name: stored.protocol ?? '', metadata: one.subscription }],
        }),
        assignment: one.assignment, isNew: false,
      }
      group.members.add(member)
      group.#heard(member)
    }
    group.state = 'Stable'
    if (alive.length < stored.members.length) group.#prepareRebalance()
    return group
  }

  /** With members that were in a group of the newer protocol; stable, until `rebalance` makes them join again. */
  static withMembers(groupId: string, world: GroupWorld, generation: number, members: readonly Member[]): ClassicGroup {
    const group = new ClassicGroup(groupId, world)
    group.generation = generation
    group.protocolType = 'consumer'
    for (const member of members) {
      group.members.add(member)
      group.#heard(member)
    }
    group.protocolName = group.members.choose()
    group.leader = members[0]?.memberId ?? null
    group.#turn('Stable')
    return group
  }

  /** A member joins, or joins again. Answered when all have, or their time is up. */
  join(request: JoinRequest): Promise<JoinAnswer> {
    return new Promise((answer) => {
      const error = this.#join(request, answer)
      if (error !== undefined) answer(refusedJoin(error, request.memberId))
    })
  }

  /** A member asks for what it is assigned. Answered when the leader has said. */
  sync(request: SyncRequest): Promise<SyncAnswer> {
    return new Promise((answer) => {
      const error = this.#sync(request, answer)
      if (error !== undefined) answer(refusedSync(error))
    })
  }

  heartbeat(request: HeartbeatRequest): KafkaErrorName {
    if (this.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
    const refused = this.#unknown(request)
    if (refused !== undefined) return refused
    if (request.generation !== this.generation) return 'ILLEGAL_GENERATION'
    if (this.state === 'Empty') return 'UNKNOWN_MEMBER_ID'
    this.#heard(this.members.get(request.memberId)!)
    return this.state === 'PreparingRebalance' ? 'REBALANCE_IN_PROGRESS' : 'NONE'
  }

  leave(request: LeaveRequest): LeaveAnswer {
    if (this.state === 'Dead') return { error: 'COORDINATOR_NOT_AVAILABLE', members: [] }
    const members = request.members.map(({ memberId, groupInstanceId = null }) => (
      { memberId, groupInstanceId, error: this.#leave({ memberId, groupInstanceId }) }
    ))
    return { error: 'NONE', members }
  }

  /** Whether offsets may be committed by who says it; as in Kafka nobody needs to be a member of an empty group. */
  mayCommit({ memberId, groupInstanceId, generation }: HeartbeatRequest, transactional = false): KafkaErrorName {
    if (this.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
    if (generation < 0 && this.state === 'Empty') return 'NONE'
    const named = generation >= 0 || memberId !== '' || (groupInstanceId ?? null) !== null
    if (named) {
      const refused = this.#unknown({ memberId, groupInstanceId: groupInstanceId ?? null })
      if (refused !== undefined) return refused
      const member = this.members.get(memberId)!
      // One of this process has what it owns until it gives it back, in whichever generation.
      if (member.local !== undefined) return 'NONE'
      if (generation !== this.generation) return 'ILLEGAL_GENERATION'
      if (!transactional && this.state === 'CompletingRebalance') return 'REBALANCE_IN_PROGRESS'
      this.#heard(member)
      return 'NONE'
    }
    return transactional || this.state === 'Empty' ? 'NONE' : 'UNKNOWN_MEMBER_ID'
  }

  /** A member of this process gave back what it owned. */
  released(): void {
    this.#completeSoon()
  }

  /** A member of this process wants another rebalance: what it subscribes to, or what there is of it, has changed. */
  rebalance(): void {
    if (this.state === 'Stable' || this.state === 'CompletingRebalance') this.#prepareRebalance()
  }

  /** Nobody may use it any more. */
  die(): void {
    this.#stop()
    for (const member of [...this.members.all()]) this.#forget(member, 'COORDINATOR_NOT_AVAILABLE')
  }

  /** The topics that its members read, if they are consumers. What one sent that is no subscription names none. */
  subscribedTopics(): ReadonlySet<string> {
    const topics = new Set<string>()
    if (this.protocolType !== 'consumer') return topics
    for (const { protocols } of this.members.all()) {
      try {
        for (const topic of decodeSubscription(protocols[0]!.metadata).topics) topics.add(topic)
      } catch (error) {
        if (!isLogError(error)) throw error
      }
    }
    return topics
  }

  /** It goes on as a group of the newer protocol, with its members: whoever waits for something is to join again. */
  dissolve(): void {
    this.#stop()
    for (const member of this.members.all()) {
      member.session?.cancel()
      this.#answerWaiting(member, 'REBALANCE_IN_PROGRESS')
    }
  }

  describe(): GroupDescription {
    const { groupId, state, generation, protocolName } = this
    const stable = state === 'Stable'
    return {
      groupId, state, type: 'classic', protocolType: this.protocolType ?? '', protocol: stable ? (protocolName ?? '') : '', generation,
      members: [...this.members.all()].map((member) => describeMember(member, protocolName, stable)),
    }
  }

  // Joining

  #join(request: JoinRequest, answer: (answer: JoinAnswer) => void): KafkaErrorName | undefined {
    if (this.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
    if (!this.#hasRoom(request)) {
      this.#turnAway(request)
      answer(refusedJoin('GROUP_MAX_SIZE_REACHED', ''))
      return undefined
    }
    if (!this.#accepts(request)) return 'INCONSISTENT_GROUP_PROTOCOL'
    return request.memberId === '' ? this.#joinNew(request, answer) : this.#joinKnown(request, answer)
  }

  /** Of members that join again those count that have joined already: the last ones find no room when there may be fewer than before. */
  #hasRoom({ memberId, maxSize = Infinity }: JoinRequest): boolean {
    const member = this.members.get(memberId)
    if (this.state === 'Empty') return true
    if (this.state === 'PreparingRebalance') return member?.joining !== undefined || this.#joined < maxSize
    return member !== undefined || this.members.size < maxSize
  }

  #turnAway({ memberId }: JoinRequest): void {
    const member = this.members.get(memberId)
    if (member !== undefined) this.#forget(member, 'GROUP_MAX_SIZE_REACHED')
    if (this.members.pending.has(memberId)) this.#forgetPending(memberId)
    else this.#completeSoon()
  }

  #accepts({ protocolType, protocols }: JoinRequest): boolean {
    if (protocolType === '' || protocols.length === 0) return false
    if (this.state === 'Empty' || this.members.size === 0) return true
    return protocolType === this.protocolType && this.members.support(protocols)
  }

  #joinNew(request: JoinRequest, answer: (answer: JoinAnswer) => void): KafkaErrorName | undefined {
    const { groupInstanceId = null } = request
    const memberId = this.#world.newMemberId(groupInstanceId ?? request.clientId)
    const known = groupInstanceId === null ? undefined : this.members.ofInstance(groupInstanceId)
    if (known !== undefined) return this.#replaceStatic(this.members.get(known)!, memberId, request, answer)
    if (groupInstanceId === null && request.requireKnownMemberId === true) {
      this.members.pending.set(memberId, this.#world.deadlines.set(request.sessionTimeoutMs, () => this.#forgetPending(memberId)))
      answer(refusedJoin('MEMBER_ID_REQUIRED', memberId))
      return undefined
    }
    this.#addMember(memberId, request, answer)
    return undefined
  }

  #joinKnown(request: JoinRequest, answer: (answer: JoinAnswer) => void): KafkaErrorName | undefined {
    const { memberId, protocols } = request
    const pending = this.members.pending.get(memberId)
    if (pending !== undefined) {
      if ((request.groupInstanceId ?? null) !== null) return 'UNKNOWN_MEMBER_ID'
      pending.cancel()
      this.members.pending.delete(memberId)
      this.#addMember(memberId, request, answer)
      return undefined
    }
    const refused = this.#unknown(request)
    if (refused !== undefined) return refused
    const member = this.members.get(memberId)!
    if (this.state === 'Empty') return 'UNKNOWN_MEMBER_ID'
    const changed = !offersSame(member, protocols)
    // The same again: the answer was lost on its way. A leader that joins again wants a rebalance.
    const answeredAlready = !changed && (this.state === 'CompletingRebalance' || (this.state === 'Stable' && memberId !== this.leader))
    if (answeredAlready) answer(this.#joinAnswer(member))
    else this.#rejoin(member, request, answer)
    return undefined
  }

  #addMember(memberId: string, request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    const member = newMember(memberId, request)
    if (this.state === 'Empty') this.#initialDelayMs = request.initialRebalanceDelayMs ?? this.#world.initialRebalanceDelayMs
    this.members.add(member)
    this.protocolType = request.protocolType
    this.leader ??= memberId
    member.joining = answer
    this.#joined++
    member.local?.joined(memberId)
    this.#heardIn(member, NEW_MEMBER_MS)
    if (this.state === 'PreparingRebalance') this.#joinPhase.another(request.rebalanceTimeoutMs)
    this.#prepareRebalance()
  }

  #rejoin(member: Member, request: JoinRequest, answer: (answer: JoinAnswer) => void): void {
    this.members.offer(member, request.protocols)
    member.clientId = request.clientId
    member.clientHost = request.clientHost
    member.rebalanceTimeoutMs = request.rebalanceTimeoutMs
    member.sessionTimeoutMs = request.sessionTimeoutMs
    if (member.joining === undefined) this.#joined++
    else member.joining(refusedJoin('REBALANCE_IN_PROGRESS', member.memberId))       // asked twice: the first will not be answered
    member.joining = answer
    this.#prepareRebalance()
  }

  /** The instance is back, by another id: whoever still speaks by the old one is fenced. Without news there is no rebalance. */
  #replaceStatic(member: Member, memberId: string, request: JoinRequest, answer: (answer: JoinAnswer) => void): undefined {
    const before = member.memberId
    this.#answerWaiting(member, 'FENCED_INSTANCE_ID')
    this.members.rename(member, memberId)
    if (this.leader === before) this.leader = memberId
    member.local?.removed('FENCED_INSTANCE_ID')
    member.local = request.local
    member.local?.joined(memberId)
    const sameOffer = offersSame(member, request.protocols)
    const chosen = this.protocolName
    this.members.offer(member, request.protocols)
    Object.assign(member, { clientId: request.clientId, clientHost: request.clientHost })
    Object.assign(member, { rebalanceTimeoutMs: request.rebalanceTimeoutMs, sessionTimeoutMs: request.sessionTimeoutMs })
    this.#heard(member)
    if (this.state === 'Stable' && (sameOffer || this.members.choose() === chosen)) {
      const leads = this.leader === memberId
      // A client that cannot skip the assignment is told that somebody else leads, so that it does not assign.
      const skipAssignment = leads && request.supportsSkippingAssignment === true
      const told = this.#joinAnswer(member)
      answer({ ...told, skipAssignment, leader: leads && !skipAssignment ? before : told.leader, members: skipAssignment ? told.members : [] })
      void this.#world.store(this).catch(() => {})
      return undefined
    }
    this.#rejoin(member, request, answer)
    return undefined
  }

  // The phase of joining

  #prepareRebalance(): void {
    if (this.state === 'CompletingRebalance') this.#refuseSyncs('REBALANCE_IN_PROGRESS')
    if (this.state !== 'PreparingRebalance') {
      this.#syncEnd?.cancel()
      this.#joinPhase.begin(this.#rebalanceTimeoutMs(), this.state === 'Empty' ? this.#initialDelayMs : 0)
      this.#turn('PreparingRebalance')
      for (const { local, joining } of this.members.all()) if (joining === undefined) local?.rebalance()
    }
    this.#completeSoon()
  }

  /** Looks whether all have joined once what is under way had its turn: those that come together then get one rebalance. */
  #completeSoon(): void {
    if (this.state !== 'PreparingRebalance') return
    if (this.members.size === 0 && this.members.pending.size === 0) return this.#completeJoin()
    if (this.#completing) return
    this.#completing = true
    this.#world.clock.defer(() => {
      this.#completing = false
      if (this.state === 'PreparingRebalance' && this.#allJoined() && this.#allReleased()) this.#completeJoin()
    })
  }

  #allJoined(): boolean {
    return this.#joined === this.members.size && this.members.pending.size === 0 && !this.#joinPhase.waits
  }

  /** Under an eager protocol nobody of this process may own anything any more. */
  #allReleased(): boolean {
    if (assignorOf(this.members.choose() ?? '')?.cooperative === true) return true
    let released = true
    for (const { local } of this.members.all()) {
      if (local === undefined || !local.holds()) continue
      released = false
      local.release()
    }
    return released
  }

  #joinTimeIsUp(): void {
    const eager = assignorOf(this.members.choose() ?? '')?.cooperative !== true
    for (const member of [...this.members.all()]) {
      const { joining, local, groupInstanceId } = member
      const late = joining === undefined ? groupInstanceId === null || local !== undefined : eager && local?.holds() === true
      if (late) this.#forget(member, 'UNKNOWN_MEMBER_ID')
    }
    // Static members may be away; without anybody who joined the group waits on.
    if (this.members.size > 0 && this.#joined === 0) return this.#joinPhase.limit(this.#rebalanceTimeoutMs())
    this.#completeJoin()
  }

  /** The next generation begins. */
  #completeJoin(): void {
    this.#joinPhase.end()
    this.generation++
    if (this.members.size === 0) return this.#becomeEmpty()
    this.protocolName = this.members.choose()
    assert(this.protocolName !== null, 'members of a group have a protocol in common')
    if (this.members.get(this.leader ?? '')?.joining === undefined) this.leader = this.#firstJoined()
    this.#turn('CompletingRebalance')
    this.#syncEnd = this.#world.deadlines.set(this.#rebalanceTimeoutMs(), () => this.#syncTimeIsUp())
    this.#notSynced.clear()
    for (const member of this.members.all()) {
      this.#notSynced.add(member)
      const { joining } = member
      if (joining === undefined) continue
      member.joining = undefined
      member.isNew = false
      this.#heard(member)
      joining(this.#joinAnswer(member))
    }
    this.#joined = 0
  }

  #firstJoined(): string {
    for (const { memberId, joining } of this.members.all()) if (joining !== undefined) return memberId
    return this.leader!
  }

  #joinAnswer(member: Member): JoinAnswer {
    const leads = member.memberId === this.leader
    const members = leads ? [...this.members.all()].map((one) => (
      { memberId: one.memberId, groupInstanceId: one.groupInstanceId, metadata: metadataOf(one, this.protocolName) }
    )) : []
    return {
      error: 'NONE', memberId: member.memberId, generation: this.generation, protocolType: this.protocolType, protocolName: this.protocolName,
      leader: this.leader!, skipAssignment: false, members,
    }
  }

  // The phase of syncing

  #sync(request: SyncRequest, answer: (answer: SyncAnswer) => void): KafkaErrorName | undefined {
    if (this.state === 'Dead') return 'COORDINATOR_NOT_AVAILABLE'
    const refused = this.#unknown(request)
    if (refused !== undefined) return refused
    if (request.generation !== this.generation) return 'ILLEGAL_GENERATION'
    if (isOther(request.protocolType, this.protocolType) || isOther(request.protocolName, this.protocolName)) return 'INCONSISTENT_GROUP_PROTOCOL'
    if (this.state === 'Empty') return 'UNKNOWN_MEMBER_ID'
    if (this.state === 'PreparingRebalance') return 'REBALANCE_IN_PROGRESS'
    const member = this.members.get(request.memberId)!
    this.#notSynced.delete(member)
    this.#heard(member)
    if (this.state === 'Stable') answer(this.#syncAnswer(member))
    else {
      member.syncing?.(refusedSync('REBALANCE_IN_PROGRESS'))
      member.syncing = answer
      if (member.memberId === this.leader) void this.#assign(request)
    }
    return undefined
  }

  /** The leader has said who gets what: it counts once it is stored, and at once where nobody outside of this process is concerned. */
  async #assign({ assignments, maxBytes = Infinity }: SyncRequest): Promise<void> {
    const { generation } = this
    if (assignments.reduce((bytes, { assignment }) => bytes + assignment.length, 0) > maxBytes) {
      this.#refuseSyncs('UNKNOWN_SERVER_ERROR')
      return this.#prepareRebalance()
    }
    for (const member of this.members.all()) member.assignment = NOTHING
    for (const { memberId, assignment } of assignments) {
      const member = this.members.get(memberId)
      if (member !== undefined) member.assignment = assignment
    }
    const stored = this.#world.store(this)
    if ([...this.members.all()].every(({ local }) => local !== undefined)) {
      void stored.catch(() => {})
      return this.#becomeStable()
    }
    try {
      await stored
    } catch (cause) {
      if (this.state !== 'CompletingRebalance' || this.generation !== generation) return
      this.#refuseSyncs('COORDINATOR_NOT_AVAILABLE', cause)
      return this.#prepareRebalance()
    }
    if (this.state === 'CompletingRebalance' && this.generation === generation) this.#becomeStable()
  }

  #becomeStable(): void {
    this.#turn('Stable')
    for (const member of this.members.all()) {
      member.syncing?.(this.#syncAnswer(member))
      member.syncing = undefined
    }
  }

  #syncAnswer({ assignment }: Member): SyncAnswer {
    return { error: 'NONE', protocolType: this.protocolType, protocolName: this.protocolName, assignment }
  }

  #refuseSyncs(error: KafkaErrorName, cause?: unknown): void {
    for (const member of this.members.all()) {
      member.assignment = NOTHING
      member.syncing?.({ ...refusedSync(error), cause })
      member.syncing = undefined
    }
  }

  #syncTimeIsUp(): void {
    if (this.state !== 'CompletingRebalance' && this.state !== 'Stable') return
    const late = [...this.#notSynced].filter((member) => this.members.get(member.memberId) === member)
    this.#notSynced.clear()
    if (late.length === 0) return
    for (const member of late) this.#forget(member, 'UNKNOWN_MEMBER_ID')
    this.#prepareRebalance()
  }

  // Leaving

  #leave({ memberId, groupInstanceId }: { readonly memberId: string; readonly groupInstanceId: string | null }): KafkaErrorName {
    if (this.members.pending.has(memberId)) {
      this.#forgetPending(memberId)
      return 'NONE'
    }
    const id = memberId === '' && groupInstanceId !== null ? (this.members.ofInstance(groupInstanceId) ?? '') : memberId
    const refused = this.#unknown({ memberId: id, groupInstanceId })
    if (refused !== undefined) return refused
    this.#remove(this.members.get(id)!)
    return 'NONE'
  }

  #remove(member: Member): void {
    this.#forget(member, 'UNKNOWN_MEMBER_ID')
    if (this.state === 'Stable' || this.state === 'CompletingRebalance') this.#prepareRebalance()
    else this.#completeSoon()
  }

  #forgetPending(memberId: string): void {
    this.members.pending.get(memberId)?.cancel()
    this.members.pending.delete(memberId)
    if (this.state === 'Empty' && this.members.pending.size === 0) this.#world.abandoned(this)
    this.#completeSoon()
  }

  #forget(member: Member, error: KafkaErrorName): void {
    this.#answerWaiting(member, error)
    this.members.remove(member)
    this.#notSynced.delete(member)
    if (this.leader === member.memberId) this.leader = null
    for (const one of this.leader === null ? this.members.all() : []) {
      this.leader = one.memberId
      break
    }
    member.local?.removed(error)
  }

  #answerWaiting(member: Member, error: KafkaErrorName): void {
    if (member.joining !== undefined) this.#joined--
    // Who is no member any more has no id either.
    member.joining?.(refusedJoin(error, error === 'UNKNOWN_MEMBER_ID' ? '' : member.memberId))
    member.syncing?.(refusedSync(error))
    member.joining = undefined
    member.syncing = undefined
  }

  #becomeEmpty(): void {
    this.protocolName = null
    this.leader = null
    this.#turn('Empty')
    void this.#world.store(this).catch(() => {})
  }

  // Sessions

  #heard(member: Member): void {
    this.#heardIn(member, member.sessionTimeoutMs)
  }

  #heardIn(member: Member, ms: number): void {
    member.session?.cancel()
    if (member.local === undefined) member.session = this.#world.deadlines.set(ms, () => this.#silent(member))
  }

  /** A member was not heard of for its session time: gone, unless it is we who let it wait. */
  #silent(member: Member): void {
    if (this.members.get(member.memberId) !== member) return
    if (!member.isNew && (member.joining !== undefined || member.syncing !== undefined)) this.#heard(member)
    else {
      this.#world.expired(this, member)
      this.#remove(member)
    }
  }

  #unknown({ memberId, groupInstanceId = null }: Speaker): KafkaErrorName | undefined {
    if (groupInstanceId !== null) {
      const known = this.members.ofInstance(groupInstanceId)
      if (known === undefined) return 'UNKNOWN_MEMBER_ID'
      if (known !== memberId) return 'FENCED_INSTANCE_ID'
    }
    return this.members.get(memberId) === undefined ? 'UNKNOWN_MEMBER_ID' : undefined
  }

  #rebalanceTimeoutMs(): number {
    let most = 0
    for (const { rebalanceTimeoutMs } of this.members.all()) most = Math.max(most, rebalanceTimeoutMs)
    return most
  }

  #stop(): void {
    this.#turn('Dead')
    this.#joinPhase.end()
    this.#syncEnd?.cancel()
    for (const deadline of this.members.pending.values()) deadline.cancel()
  }

  #turn(state: GroupState): void {
    this.state = state
    this.stateSince = this.#world.clock.now()
  }
}

function isOther(said: string | null | undefined, is: string | null): boolean {
  return said !== undefined && said !== null && said !== is
}
