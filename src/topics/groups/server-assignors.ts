/*
 * The assignors that the coordinator of a consumer group (KIP-848) runs itself, by Kafka's names. `uniform` shares all partitions evenly, and
 * everybody keeps what can be kept; `range` gives neighbouring partitions of each topic, the same ones of each to one member.
 */
import { type AssignorMember, assignors, type GroupAssignment } from './assignors.ts'
import { uniformAssignment } from './sticky-assignor.ts'

/** A way to share partitions among the members of a consumer group. What members own is what they shall have by now. */
export type ServerAssignor = (members: readonly AssignorMember[], counts: ReadonlyMap<string, number>) => GroupAssignment

/** The assignors by name, the default first. */
export const serverAssignors: ReadonlyMap<string, ServerAssignor> = new Map<string, ServerAssignor>([
  ['uniform', uniformAssignment],
  ['range', assignors.range.assign],
])

/** The assignor of a group whose members do not ask for one. */
export const DEFAULT_ASSIGNOR = 'uniform'
