/*
 * Who of a group of the newer protocol shall have what: by which assignor, and what it is told of each member. That members move there by their
 * heartbeats is consumer-member.ts.
 */
import { uuidText } from '../../format/uuid.ts'
import { type TopicEntry } from '../catalog.ts'
import { type TopicPartitions } from './assignors.ts'
import { type PartitionSets, partitionLists, partitionSets } from './partition-sets.ts'
import { DEFAULT_ASSIGNOR, serverAssignors } from './server-assignors.ts'

/** A member as it is given partitions. */
export interface TargetMember {
  readonly memberId: string
  readonly instanceId: string | null
  /** Names of the topics that it reads; some may not be there. */
  readonly topicNames: Iterable<string>
  /** What it shall have by now: that counts as what it owns. */
  readonly target: PartitionSets
}

/** The assignor that most members ask for. */
export function askedAssignor(members: Iterable<{ readonly serverAssignor: string | null }>): string {
  const votes = new Map<string, number>()
  for (const { serverAssignor: name } of members) {
    if (name !== null && serverAssignors.has(name)) votes.set(name, (votes.get(name) ?? 0) + 1)
  }
  let best = DEFAULT_ASSIGNOR
  for (const [name, count] of votes) if (count > (votes.get(best) ?? 0)) best = name
  return best
}

/** What each member shall have, by member id, of the topics that there are. */
export function assignTargets(
  assignor: string, given: readonly TargetMember[],
  { byName, byId }: { readonly byName: ReadonlyMap<string, TopicEntry>; readonly byId: ReadonlyMap<string, TopicEntry> },
): Map<string, PartitionSets> {
  const members = given.map(({ memberId, instanceId, topicNames, target }) => (
    { memberId, instanceId, topics: [...topicNames].filter((name) => byName.has(name)), owned: named(target, byId), generation: 0 }
  ))
  const counts = new Map([...new Set(members.flatMap(({ topics }) => topics))].map((name) => [name, byName.get(name)!.partitions]))
  const assignment = serverAssignors.get(assignor)!(members, counts)
  return new Map(Array.from(assignment, ([memberId, partitions]) => (
    [memberId, partitionSets(partitions.map((one) => ({ topicId: uuidText(byName.get(one.topic)!.id), partitions: one.partitions })))]
  )))
}

function named(target: PartitionSets, byId: ReadonlyMap<string, TopicEntry>): TopicPartitions[] {
  return partitionLists(target).flatMap(({ topicId, partitions }) => {
    const topic = byId.get(topicId)?.name
    return topic === undefined ? [] : [{ topic, partitions }]
  })
}
