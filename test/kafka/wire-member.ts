/*
 * A member of a group that speaks the classic protocol over a connection of its own, one request at a time, in the versions that it is told.
 */
import { decodeAssignment, encodeAssignment, encodeSubscription } from '../../src/format/consumer-protocol.ts'
import { kafkaErrorName } from '../../src/format/kafka-errors.ts'
import { offsetCommit } from '../../src/kafka/apis/08-offset-commit.ts'
import { joinGroup } from '../../src/kafka/apis/11-join-group.ts'
import { heartbeat } from '../../src/kafka/apis/12-heartbeat.ts'
import { leaveGroup } from '../../src/kafka/apis/13-leave-group.ts'
import { syncGroup } from '../../src/kafka/apis/14-sync-group.ts'
import { type RawClient } from './harness.ts'

/** Which versions a member speaks. */
export interface MemberVersions {
  readonly join: number
  readonly sync: number
  readonly heartbeat: number
  readonly leave: number
}

/** What a member may be told beside its group. */
export interface MemberOptions extends Partial<MemberVersions> {
  readonly instanceId?: string
  readonly protocols?: readonly string[]
  readonly topics?: readonly string[]
  readonly sessionTimeoutMs?: number
  readonly rebalanceTimeoutMs?: number
}

/** The partitions of one topic. */
export interface Owned {
  readonly topic: string
  readonly partitions: number[]
}

/** One member. */
export class WireMember {
  readonly raw: RawClient
  readonly groupId: string
  readonly options: MemberOptions
  readonly versions: MemberVersions
  memberId = ''
  generation = -1
  leads = false
  protocolName: string | null = null
  /** Of the group, when it leads. */
  members: { readonly memberId: string; readonly groupInstanceId: string | null; readonly metadata: Buffer }[] = []
  owned: Owned[] = []

  constructor(raw: RawClient, groupId: string, options: MemberOptions = {}) {
    this.raw = raw
    this.groupId = groupId
    this.options = options
    this.versions = { join: 9, sync: 5, heartbeat: 4, leave: 5, ...options }
  }

  get instance(): { groupInstanceId?: string } {
    return this.options.instanceId === undefined ? {} : { groupInstanceId: this.options.instanceId }
  }

  /** Joins once; gives the name of the error. */
  async joinOnce(more: { readonly sessionTimeoutMs?: number; readonly protocolType?: string } = {}): Promise<string> {
    const { join: version } = this.versions
    const { sessionTimeoutMs = 10_000, rebalanceTimeoutMs = 60_000, protocols = ['range'], topics = ['t'] } = this.options
    const metadata = encodeSubscription({ topics: [...topics], ownedPartitions: this.owned, generationId: this.generation })
    const answer = await this.raw.request(joinGroup, version, {
      groupId: this.groupId, memberId: this.memberId, ...this.instance, sessionTimeoutMs, rebalanceTimeoutMs, protocolType: 'consumer',
      protocols: protocols.map((name) => ({ name, metadata })), ...more,
    })
    this.memberId = answer.memberId
    if (answer.errorCode === 0) {
      this.generation = answer.generationId
      this.leads = answer.leader === answer.memberId
      this.members = answer.members
      this.protocolName = answer.protocolName
    }
    return kafkaErrorName(answer.errorCode)!
  }

  /** Joins; where it is to know its id first, again. */
  async join(): Promise<string> {
    const error = await this.joinOnce()
    return error === 'MEMBER_ID_REQUIRED' ? this.joinOnce() : error
  }

  /** Asks for its assignment; the leader gives the partitions of `t` in turn, or what `assign` says. */
  async sync(partitions = 4, assign?: (memberIds: readonly string[]) => Record<string, Owned[]>): Promise<string> {
    const ids = this.members.map(({ memberId }) => memberId)
    const owned = assign?.(ids) ?? Object.fromEntries(ids.map((id, index) => [id, [{
      topic: 't', partitions: Array.from({ length: partitions }, (_, partition) => partition).filter((partition) => partition % ids.length === index),
    }]]))
    const answer = await this.raw.request(syncGroup, this.versions.sync, {
      groupId: this.groupId, memberId: this.memberId, generationId: this.generation, ...this.instance,
      ...(this.versions.sync >= 5 && { protocolType: 'consumer', protocolName: this.protocolName }),
      assignments: !this.leads ? [] : ids.map((memberId) => (
        { memberId, assignment: encodeAssignment({ assignedPartitions: owned[memberId] ?? [] }) }
      )),
    })
    if (answer.errorCode === 0) this.owned = decodeAssignment(answer.assignment).assignedPartitions
    return kafkaErrorName(answer.errorCode)!
  }

  async heartbeat(): Promise<string> {
    const { groupId, memberId, generation: generationId } = this
    const answer = await this.raw.request(heartbeat, this.versions.heartbeat, { groupId, memberId, generationId, ...this.instance })
    return kafkaErrorName(answer.errorCode)!
  }

  async leave(): Promise<string> {
    const { groupId, memberId } = this
    const { leave: version } = this.versions
    const who = version < 3 ? { memberId } : { members: [{ memberId, ...this.instance }] }
    const answer = await this.raw.request(leaveGroup, version, { groupId, ...who })
    return kafkaErrorName(version < 3 ? answer.errorCode : (answer.members[0]?.errorCode ?? answer.errorCode))!
  }

  /** Commits an offset of a partition of `t`. */
  async commit(partition: number, offset: number, version = 9): Promise<string> {
    const { groupId, memberId, generation: generationIdOrMemberEpoch } = this
    const answer = await this.raw.request(offsetCommit, version, {
      groupId, memberId, generationIdOrMemberEpoch, ...(version >= 7 && this.instance),
      topics: [{ name: 't', partitions: [{ partitionIndex: partition, committedOffset: offset, committedMetadata: null }] }],
    })
    return kafkaErrorName(answer.topics[0]!.partitions[0]!.errorCode)!
  }

  /** The partitions of `t` that it owns. */
  get partitions(): number[] {
    return this.owned.flatMap(({ partitions }) => partitions)
  }
}

/** Brings members through one rebalance: all join, all sync. */
export async function together(...members: WireMember[]): Promise<void> {
  const joined = await Promise.all(members.map((member) => member.join()))
  if (joined.some((error) => error !== 'NONE')) throw new Error(`joined: ${joined.join(', ')}`)
  const synced = await Promise.all(members.map((member) => member.sync()))
  if (synced.some((error) => error !== 'NONE')) throw new Error(`synced: ${synced.join(', ')}`)
}
