/*
 * The membership of a consumption: a member of a group of this process (groups/member.ts), whose commits also tell what is finished above
 * them, and are made for the retry partitions that belong to its partitions as well.
 */
import { groupError } from '../groups/group-error.ts'
import { type CommitRequest } from '../groups/group-messages.ts'
import { type CommitEntry, GroupMember, type MemberEvents, type Place } from '../groups/member.ts'
import { type LogCore } from '../log-core.ts'
import { finishedIn } from './finished-metadata.ts'
import { type CommittedPlace, type Membership } from './membership.ts'

/** How a consumption joins. */
export interface GroupMembershipOptions {
  readonly group: string
  readonly topic: string
  readonly instanceId: string | undefined
}

/** A member of a group. */
export class GroupMembership implements Membership {
  readonly #log: LogCore
  readonly #options: GroupMembershipOptions
  readonly #member: GroupMember
  #unkeep: (() => void) | undefined

  constructor(log: LogCore, options: GroupMembershipOptions, events: MemberEvents) {
    const { group, topic, instanceId } = options
    this.#log = log
    this.#options = options
    this.#member = new GroupMember(log, { groupId: group, subscription: { topics: [topic], patterns: [] }, instanceId }, events)
  }

  start(): Promise<void> {
    return this.#member.start()
  }

  async leave(): Promise<void> {
    try {
      await this.#member.leave()
    } finally {
      this.#unkeep?.()
    }
  }

  /** What is committed for a topic beside the source does not age as long as this is a member. */
  async keep(topic: string): Promise<void> {
    const groups = await this.#log.groups()
    this.#unkeep ??= groups.offsets.keep(this.#options.group, topic)
  }

  owns(place: Place): boolean {
    return this.#member.owns(place)
  }

  /**
   * What is committed when it counts: by itself, or within a transaction. A partition of the retry topic is its own with that of the source.
   *
   * @throws LogError `LOG_MEMBER_UNKNOWN`, `LOG_GENERATION_STALE` for a partition that it has given back
   */
  request(entries: readonly CommitEntry[]): CommitRequest {
    const { group, topic, instanceId = null } = this.#options
    const { memberId, generation } = this.#member
    if (memberId === '') throw groupError('UNKNOWN_MEMBER_ID', group)
    const given = entries.find(({ partition }) => !this.#member.owns({ topic, partition }))
    if (given !== undefined) throw groupError('ILLEGAL_GENERATION', group, given)
    // Of a topic that was deleted nothing is kept for the next one of its name.
    const there = new Set(this.#log.topics.map(({ name }) => name))
    const offsets = entries.filter((entry) => there.has(entry.topic))
    return { groupId: group, memberId, generation, groupInstanceId: instanceId, offsets }
  }

  async commit(entries: readonly CommitEntry[]): Promise<void> {
    const request = this.request(entries)
    const groups = await this.#log.groups()
    const refused = (await groups.commitOffsets(request)).find(({ error }) => error !== 'NONE')
    if (refused !== undefined) throw refused.cause ?? groupError(refused.error, this.#options.group, refused)
  }

  /** What is stored, opened before; what was committed in a history that the log has left counts as far as that was the same. */
  async committed(place: Place): Promise<CommittedPlace | undefined> {
    const groups = await this.#log.groups()
    const stored = groups.offsets.get(this.#options.group, place.topic, place.partition)
    const log = this.#log.openTopics.find(({ entry }) => entry.name === place.topic)?.logs[place.partition]
    if (stored === undefined || log === undefined) return undefined
    const { offset, leaderEpoch } = stored
    const kept = log.epochs.divergence({ epoch: leaderEpoch, offset }, log.nextOffset)
    return kept < offset ? { offset: kept } : { offset, finished: stored.finished ?? finishedIn(stored.metadata, offset) }
  }
}
