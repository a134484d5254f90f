/*
 * Answers that list partitions below their topics, from results of single partitions.
 */
import { type Cluster } from './cluster.ts'

/** What belongs to the partitions of one topic. */
export interface OfTopic<T> {
  readonly topic: string
  readonly partitions: T[]
}

/** Puts what belongs to one topic together; topics in the order in which each is first named. */
export function byTopic<T>(results: Iterable<readonly [topic: string, partition: T]>): OfTopic<T>[] {
  const topics = new Map<string, T[]>()
  for (const [topic, partition] of results) {
    const partitions = topics.get(topic)
    if (partitions === undefined) topics.set(topic, [partition])
    else partitions.push(partition)
  }
  return Array.from(topics, ([topic, partitions]) => ({ topic, partitions }))
}

/** Whether there is such a partition. */
export function hasPartition(cluster: Cluster, topic: string, partition: number): boolean {
  const entry = cluster.topic(topic)
  return entry !== undefined && partition >= 0 && partition < entry.partitions
}
