/*
 * What the groups of a log committed: the offsets topic as it is stored (offsets-log.ts) with what of it is in memory (offset-table.ts). Who may
 * commit, and which groups there are, is said in coordinator.ts.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { OFFSETS_TOPIC } from '../internal-topics.ts'
import { metadataWith } from '../consume/finished-metadata.ts'
import { type LogCore } from '../log-core.ts'
import { type CommitResult, type OffsetToCommit } from './group-messages.ts'
import { commitRecord } from './group-records.ts'
import { type CommittedOffset, type CommittedPlace, OffsetTable } from './offset-table.ts'
import { type OfTransaction, OffsetsLog, type OffsetsLogRecord, type ReadOffsetsRecord } from './offsets-log.ts'
import { validCommit } from './valid-commit.ts'

/** Longest metadata of a commit in UTF-16 code units, as `offset.metadata.max.bytes` of Kafka. */
export const MAX_METADATA = 4096

/** A partition that is named in a message. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/** The answer for one partition: offset −1 where nothing is committed. */
export interface FetchedOffset extends TopicPartition {
  readonly offset: number
  readonly leaderEpoch: number
  readonly metadata: string
  readonly error: KafkaErrorName
}

/** What came of storing records. */
export interface Stored {
  readonly error: KafkaErrorName
  readonly cause?: unknown
}

/** The committed offsets of all groups of one open folder. */
export class CommittedOffsets {
  readonly #core: LogCore
  readonly #log: OffsetsLog
  readonly #table = new OffsetTable()
  /** Topics whose offsets do not age though no member subscribes to them, by group. */
  readonly #kept = new Map<string, Set<{ readonly topic: string }>>()
  #unstable: (() => void)[] = []

  constructor(core: LogCore) {
    this.#core = core
    this.#log = new OffsetsLog(core)
  }

  /** What a group committed for a partition, as it is stored. */
  get(groupId: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#table.get(groupId, topic, partition)
  }

  /** What of it belongs to the log still, as far as its topic is open in this process. */
  valid(groupId: string, { topic, partition }: TopicPartition): CommittedOffset | undefined {
    const stored = this.get(groupId, topic, partition)
    const log = this.#core.openTopics.find(({ entry }) => entry.name === topic)?.logs[partition]
    return stored === undefined || log === undefined ? stored : validCommit(log, stored)
  }

  /** All that a group committed, as it is stored. */
  all(groupId: string): readonly CommittedPlace[] {
    return this.#table.all(groupId)
  }

  /** Whether a group committed anything. */
  has(groupId: string): boolean {
    return this.#table.has(groupId)
  }

  /** The groups that have committed something, in no order. */
  groups(): Iterable<string> {
    return this.#table.groups()
  }

  /**
   * What a group committed: for the partitions asked for, or for all that it committed for.
   *
   * @param requireStable  an open transaction that commits for a partition is UNSTABLE_OFFSET_COMMIT
   */
  fetch(groupId: string, partitions?: readonly TopicPartition[], requireStable = false): FetchedOffset[] {
    return (partitions ?? this.#table.all(groupId)).map(({ topic, partition }) => {
      const unstable = requireStable && this.#table.isPending(groupId, topic, partition)
      const committed = unstable ? undefined : this.#table.get(groupId, topic, partition)
      // Who reads this over the wire learns there what is finished above it, as members of a cluster's groups keep it.
      const metadata = metadataWith(committed?.metadata, committed?.finished)
      return {
        topic, partition, offset: committed?.offset ?? -1, leaderEpoch: committed?.leaderEpoch ?? -1, metadata,
        error: unstable ? 'UNSTABLE_OFFSET_COMMIT' : 'NONE',
      }
    })
  }

  /** Where the offsets of a group are kept: what a transaction that commits some writes its marker to. */
  placeOf(groupId: string): TopicPartition {
    return { topic: OFFSETS_TOPIC, partition: this.#log.partitionOf(groupId) }
  }

  // Transactions

  /** The transaction of a producer has ended: its marker is stored in the offsets topic. */
  transactionEnded(producerId: bigint, committed: boolean): void {
    this.#table.end(producerId, committed)
    for (const wake of this.#unstable.splice(0)) wake()
  }

  /** Whether no open transaction commits for any of these partitions. */
  isStable(groupId: string, places: readonly TopicPartition[]): boolean {
    return !this.#table.hasPending(groupId) || !places.some(({ topic, partition }) => this.#table.isPending(groupId, topic, partition))
  }

  /** Whether an open transaction commits anything for a group. */
  hasPending(groupId: string): boolean {
    return this.#table.hasPending(groupId)
  }

  /** Resolves when no open transaction commits for any of these partitions. */
  async stable(groupId: string, places: readonly TopicPartition[]): Promise<void> {
    while (!this.isStable(groupId, places)) {
      await new Promise<void>((resolve) => this.#unstable.push(resolve))
    }
  }

  // Storing

  /** The offsets topic is there, and open. */
  get isOpen(): boolean {
    return this.#log.isOpen
  }

  /** Makes the offsets topic when there is none. */
  create(): Promise<void> {
    return this.#log.create()
  }

  /** Gives every record of the offsets topic that was not given before to `visit`. */
  load(visit: (record: ReadOffsetsRecord) => void): Promise<void> {
    return this.#log.load(visit)
  }

  /** A commit as it was read. */
  loaded(groupId: string, topic: string, partition: number, committed: CommittedOffset | null): void {
    if (committed === null) this.#table.remove(groupId, topic, partition)
    else this.#table.put(groupId, topic, partition, committed)
  }

  /** Calls `listener` before a round of commits is written: what it commits goes with it. Gives the function that ends it. */
  beforeRound(listener: () => void): () => void {
    this.#log.beforeRound.add(listener)
    return () => void this.#log.beforeRound.delete(listener)
  }

  /** Stores offsets; resolves when they are durable, with what became of each, in their order. Those of a transaction count from its commit on. */
  async commit(groupId: string, offsets: readonly OffsetToCommit[], transaction: OfTransaction | undefined): Promise<readonly CommitResult[]> {
    const now = this.#core.env.clock.now()
    const short = offsets.filter(({ metadata }) => (metadata?.length ?? 0) <= MAX_METADATA)
    const accepted = short.map((offset) => ({ offset, stored: toStore(offset, now) }))
    const records = accepted.map(({ offset: { topic, partition }, stored }) => commitRecord(groupId, topic, partition, stored))
    const stored = await this.append(groupId, records, transaction)
    if (stored.error === 'NONE') {
      accepted.forEach(({ offset: { topic, partition }, stored: committed }, index) => {
        const place = { ...committed, at: stored.baseOffset + index }
        if (transaction === undefined) this.#table.put(groupId, topic, partition, place)
        else this.#table.putPending(transaction.producerId, groupId, topic, partition, place)
      })
    }
    const taken = new Set(accepted.map(({ offset }) => offset))
    return offsets.map((offset) => {
      const { topic, partition } = offset
      if (!taken.has(offset)) return { topic, partition, error: 'OFFSET_METADATA_TOO_LARGE' }
      return { topic, partition, error: stored.error, ...(stored.cause !== undefined && { cause: stored.cause }) }
    })
  }

  /** Stores records of a group, together; resolves when they are durable. */
  async append(
    groupId: string, records: readonly OffsetsLogRecord[], transaction?: OfTransaction,
  ): Promise<Stored & { readonly baseOffset: number }> {
    if (records.length === 0) return { error: 'NONE', baseOffset: -1 }
    try {
      return { error: 'NONE', baseOffset: await this.#log.append(groupId, records, transaction) }
    } catch (cause) {
      return { error: 'COORDINATOR_NOT_AVAILABLE', baseOffset: -1, cause }
    }
  }

  /**
   * Forgets what a group committed for partitions.
   *
   * @param also  records that are stored with that, behind it
   */
  async remove(groupId: string, places: readonly TopicPartition[], also: readonly OffsetsLogRecord[] = []): Promise<Stored> {
    const gone = places.map(({ topic, partition }) => commitRecord(groupId, topic, partition, null))
    const { error, cause } = await this.append(groupId, [...gone, ...also])
    if (error === 'NONE') for (const { topic, partition } of places) this.#table.remove(groupId, topic, partition)
    return { error, ...(cause !== undefined && { cause }) }
  }

  /** Forgets what all groups committed for a topic that is gone. */
  async removeTopic(topic: string): Promise<void> {
    for (const groupId of [...this.#table.groups()]) {
      const gone = this.#table.all(groupId).filter((place) => place.topic === topic)
      for (const { partition } of gone) this.#table.removePending(groupId, topic, partition)
      await this.remove(groupId, gone)
    }
  }

  // Age

  /** Offsets of a topic that no member subscribes to stay while somebody of this process uses them. Gives the function that ends it. */
  keep(groupId: string, topic: string): () => void {
    const kept = this.#kept.get(groupId) ?? new Set()
    const one = { topic }
    this.#kept.set(groupId, kept.add(one))
    return () => void kept.delete(one)
  }

  /** Whether a commit may age: nobody of this process uses it, and no open transaction makes it anew. */
  mayAge(groupId: string, topic: string, partition: number): boolean {
    for (const kept of this.#kept.get(groupId) ?? []) if (kept.topic === topic) return false
    return !this.#table.isPending(groupId, topic, partition)
  }

  /** Whether what has aged since then, ms since 1970, is to be forgotten: see `offsetsRetentionMs`. */
  isOld(since: number, now: number): boolean {
    return now - since >= (this.#core.options.offsetsRetentionMs ?? Infinity)
  }
}

function toStore({ offset, leaderEpoch, metadata, retentionMs, finished }: OffsetToCommit, now: number): Omit<CommittedOffset, 'at'> {
  const expireTimestamp = retentionMs === undefined ? -1 : now + retentionMs
  return { offset, leaderEpoch, metadata: metadata ?? '', commitTimestamp: now, expireTimestamp, finished }
}
