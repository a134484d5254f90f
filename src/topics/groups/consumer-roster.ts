/*
 * Who is in a consumer group, and who has which partition: the members by id and by instance, and an index from partitions to their owners that
 * follows what members have. What members become and when is said in consumer-group.ts.
 */
import { Refusal } from './consumer-group-messages.ts'
import { type ConsumerMember } from './consumer-member.ts'
import { forEachPartition, type PartitionSets } from './partition-sets.ts'

/** The members of one group. */
export class ConsumerRoster {
  readonly #groupId: string
  readonly members = new Map<string, ConsumerMember>()
  /** Who has a partition, or still has to give it back. */
  readonly #owners = new Map<string, Map<number, string>>()
  readonly #statics = new Map<string, string>()

  constructor(groupId: string) {
    this.#groupId = groupId
  }

  /** The member of an id; a refusal when there is none. */
  known(memberId: string): ConsumerMember {
    const member = this.members.get(memberId)
    if (member === undefined) throw new Refusal('UNKNOWN_MEMBER_ID', `Member ${memberId} is not a member of group ${this.#groupId}.`)
    return member
  }

  /** The static member of an instance, which `memberId` has to be. */
  knownStatic(instanceId: string, memberId: string): ConsumerMember {
    const member = this.ofInstance(instanceId)
    if (member === undefined) throw new Refusal('UNKNOWN_MEMBER_ID', `Instance id ${instanceId} is unknown.`)
    if (member.memberId === memberId) return member
    const words = `Static member ${memberId} with instance id ${instanceId} was fenced by member ${member.memberId}.`
    throw new Refusal('FENCED_INSTANCE_ID', words)
  }

  /** The member of an instance. */
  ofInstance(instanceId: string): ConsumerMember | undefined {
    const memberId = this.#statics.get(instanceId)
    return memberId === undefined ? undefined : this.members.get(memberId)
  }

  /** Keeps a member as it is now, with what it has. */
  put(member: ConsumerMember): void {
    const before = this.members.get(member.memberId)
    if (before !== undefined) this.#disown(before)
    this.members.set(member.memberId, member)
    if (member.instanceId !== null) this.#statics.set(member.instanceId, member.memberId)
    this.#own(member, member.assigned)
    this.#own(member, member.revoking)
  }

  /** Forgets a member, and what it had. */
  drop(memberId: string): void {
    const member = this.members.get(memberId)
    if (member === undefined) return
    this.#disown(member)
    this.members.delete(memberId)
    if (member.instanceId !== null && this.#statics.get(member.instanceId) === memberId) this.#statics.delete(member.instanceId)
  }

  /** Whether nobody has a partition. */
  isFree(topicId: string, partition: number): boolean {
    return this.#owners.get(topicId)?.get(partition) === undefined
  }

  #own({ memberId }: ConsumerMember, sets: PartitionSets): void {
    forEachPartition(sets, (topicId, partition) => {
      let owners = this.#owners.get(topicId)
      if (owners === undefined) this.#owners.set(topicId, (owners = new Map()))
      owners.set(partition, memberId)
    })
  }

  #disown({ memberId, assigned, revoking }: ConsumerMember): void {
    for (const sets of [assigned, revoking]) {
      forEachPartition(sets, (topicId, partition) => {
        const owners = this.#owners.get(topicId)
        if (owners?.get(partition) !== memberId) return
        owners.delete(partition)
        if (owners.size === 0) this.#owners.delete(topicId)
      })
    }
  }
}
