/*
 * Committed offsets in memory: by group, topic and partition, and those of transactions that have not ended. Pure; what is stored and when
 * is said in offsets-log.ts and coordinator.ts.
 */

/** The key of a partition in maps and sets: unambiguous, since names of topics have no slash. */
export function placeKey(topic: string, partition: number): string {
  return `${topic}/${partition}`
}

/** An offset that a group committed. */
export interface CommittedOffset {
  /** The next one to read. */
  readonly offset: number
  /** The epoch of the log in which the record before it was written; −1 when the one who committed did not say. */
  readonly leaderEpoch: number
  readonly metadata: string
  /** Ms since 1970. */
  readonly commitTimestamp: number
  /** When it is to be forgotten, ms since 1970, where the commit said so itself; else −1. */
  readonly expireTimestamp: number
  /** What is finished above `offset`: the bitmap of consume(); undefined for none. */
  readonly finished: Buffer | undefined
  /** Offset of its record in its partition of the offsets topic. */
  readonly at: number
}

type OfTopics = Map<string, Map<number, CommittedOffset>>

/** One committed offset with where it belongs. */
export interface CommittedPlace extends CommittedOffset {
  readonly topic: string
  readonly partition: number
}

/** The committed offsets of all groups. */
export class OffsetTable {
  readonly #groups = new Map<string, OfTopics>()
  readonly #pending = new Map<bigint, Map<string, OfTopics>>()

  /** The groups that have committed something, in no order. */
  groups(): Iterable<string> {
    return this.#groups.keys()
  }

  /** Whether anything is committed for a group. */
  has(group: string): boolean {
    return this.#groups.has(group)
  }

  /** What a group committed for a partition. */
  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(group)?.get(topic)?.get(partition)
  }

  /** All that a group committed. */
  all(group: string): CommittedPlace[] {
    const places: CommittedPlace[] = []
    for (const [topic, partitions] of this.#groups.get(group) ?? []) {
      for (const [partition, committed] of partitions) places.push({ topic, partition, ...committed })
    }
    return places
  }

  /** Keeps a commit, unless a later one of the log is there. */
  put(group: string, topic: string, partition: number, committed: CommittedOffset): void {
    const partitions = within(within(this.#groups, group), topic)
    const known = partitions.get(partition)
    if (known === undefined || known.at <= committed.at) partitions.set(partition, committed)
  }

  /** Forgets a commit. */
  remove(group: string, topic: string, partition: number): void {
    removeFrom(this.#groups, group, topic, partition)
  }

  /** Keeps a commit of a transaction until that ends. */
  putPending(producerId: bigint, group: string, topic: string, partition: number, committed: CommittedOffset): void {
    within(within(within(this.#pending, producerId), group), topic).set(partition, committed)
  }

  /** Whether a transaction that has not ended has committed for a partition. */
  isPending(group: string, topic: string, partition: number): boolean {
    for (const groups of this.#pending.values()) if (groups.get(group)?.get(topic)?.has(partition) === true) return true
    return false
  }

  /** Whether a transaction that has not ended has committed anything for a group. */
  hasPending(group: string): boolean {
    for (const groups of this.#pending.values()) if (groups.has(group)) return true
    return false
  }

  /** The transaction of a producer ended: what it committed counts from now on, or never did. Gives the groups that it was about. */
  end(producerId: bigint, committed: boolean): string[] {
    const groups = this.#pending.get(producerId)
    if (groups === undefined) return []
    this.#pending.delete(producerId)
    if (!committed) return [...groups.keys()]
    for (const [group, topics] of groups) {
      for (const [topic, partitions] of topics) for (const [partition, offset] of partitions) this.put(group, topic, partition, offset)
    }
    return [...groups.keys()]
  }

  /** Forgets pending commits for a partition: what it was about is gone. */
  removePending(group: string, topic: string, partition: number): void {
    for (const groups of this.#pending.values()) removeFrom(groups, group, topic, partition)
  }
}

function within<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let inner = map.get(key)
  if (inner === undefined) map.set(key, (inner = new Map()))
  return inner
}

function removeFrom(groups: Map<string, OfTopics>, group: string, topic: string, partition: number): void {
  const topics = groups.get(group)
  const partitions = topics?.get(topic)
  if (topics === undefined || partitions === undefined || !partitions.delete(partition)) return
  if (partitions.size === 0) topics.delete(topic)
  if (topics.size === 0) groups.delete(group)
}
