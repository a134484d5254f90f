/*
 * Sets of partitions by topic id, as groups of the newer protocol keep what their members have and shall have. Never changed once made.
 */

/** Partitions, by the id of their topic; no topic is there with no partitions. */
export type PartitionSets = ReadonlyMap<string, ReadonlySet<number>>

/** Partitions of one topic, as messages and records list them. */
export interface PartitionsOfTopic {
  readonly topicId: string
  readonly partitions: readonly number[]
}

/** No partitions. */
export const NO_PARTITIONS: PartitionSets = new Map()

/** The set of what is listed. */
export function partitionSets(lists: Iterable<PartitionsOfTopic>): PartitionSets {
  const sets = new Map<string, Set<number>>()
  for (const { topicId, partitions } of lists) {
    if (partitions.length === 0) continue
    let set = sets.get(topicId)
    if (set === undefined) sets.set(topicId, (set = new Set()))
    for (const partition of partitions) set.add(partition)
  }
  return sets
}

/** The partitions as lists, in the order of their numbers. */
export function partitionLists(sets: PartitionSets): { topicId: string; partitions: number[] }[] {
  return [...sets].map(([topicId, partitions]) => ({ topicId, partitions: [...partitions].sort((a, b) => a - b) }))
}

/** Whether two have the same partitions. */
export function samePartitions(a: PartitionSets, b: PartitionSets): boolean {
  if (a === b) return true
  if (a.size !== b.size) return false
  for (const [topicId, partitions] of a) {
    const others = b.get(topicId)
    if (others === undefined || others.size !== partitions.size) return false
    for (const partition of partitions) if (!others.has(partition)) return false
  }
  return true
}

/** Whether a set has all that is listed. */
export function containsAll(sets: PartitionSets, lists: Iterable<PartitionsOfTopic>): boolean {
  for (const { topicId, partitions } of lists) {
    const set = sets.get(topicId)
    if (!partitions.every((partition) => set?.has(partition) === true)) return false
  }
  return true
}

/** Whether a set has something of what is listed. */
export function containsAny(sets: PartitionSets, lists: Iterable<PartitionsOfTopic>): boolean {
  for (const { topicId, partitions } of lists) {
    const set = sets.get(topicId)
    if (set !== undefined && partitions.some((partition) => set.has(partition))) return true
  }
  return false
}

/** Calls `visit` for each partition. */
export function forEachPartition(sets: PartitionSets, visit: (topicId: string, partition: number) => void): void {
  for (const [topicId, partitions] of sets) for (const partition of partitions) visit(topicId, partition)
}
