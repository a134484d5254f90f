/*
 * Carries over what groups commit: the offsets of the source become those of the same records on the target, so that a group whose consumers
 * go on there neither loses nor repeats a record. A group that has begun to live on the target is left alone from then on.
 */
import { isLogError } from '../../base/errors.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { type PartitionLag } from '../../topics/groups/groups-admin.ts'
import { type Carried, type Ledger, type LedgerRecord, transactionOptions } from './ledger.ts'
import { type CheckedMirrorOptions } from './options.ts'
import { type MirroredTopic } from './mirrored-topic.ts'

/** A commit to carry over. */
interface Carry extends Carried {
  readonly topic: string
  readonly partition: number
  readonly metadata: string
}

/** How far a group is carried over in a partition. */
export interface GroupStatus {
  readonly group: string
  readonly topic: string
  readonly partition: number
  /** What it committed on the source, as far as it is carried over, and what that is on the target. */
  readonly source: number
  readonly target: number
  /** It commits on the target by itself, and is left alone. */
  readonly moved: boolean
}

/** The groups of one mirror. */
export class GroupCarrier {
  readonly #source: PortableLog
  readonly #target: PortableLog
  readonly #ledger: Ledger
  readonly #options: CheckedMirrorOptions
  readonly #moved = new Set<string>()

  constructor(parts: {
    readonly source: PortableLog
    readonly target: PortableLog
    readonly ledger: Ledger
    readonly options: CheckedMirrorOptions
  }) {
    this.#source = parts.source
    this.#target = parts.target
    this.#ledger = parts.ledger
    this.#options = parts.options
  }

  /** Carries over what is new. False when a group has committed what is not mirrored yet. */
  async carry(topics: ReadonlyMap<string, MirroredTopic>): Promise<boolean> {
    let complete = true
    for (const group of await this.#groups()) {
      if (this.#moved.has(group)) continue
      const committed = (await lagsOf(this.#source, group)).filter(({ topic }) => topics.has(topic))
      const carries: Carry[] = []
      for (const lag of committed) {
        if (lag.committed === undefined) continue
        const { topic, partition } = lag
        const mirrored = topics.get(topic)!
        const source = Math.min(lag.committed, mirrored.mirroredTo(partition))
        if (source < lag.committed) complete = false
        const before = this.#ledger.carried(group, topic, partition)
        const target = await mirrored.translate(partition, source)
        if (before?.source === source && before.target === target) continue
        carries.push({ topic, partition, source, target, metadata: await mirrored.metadataOf(group, partition) })
      }
      if (carries.length > 0) await this.#carryGroup(group, carries, topics)
    }
    return complete
  }

  /** How far the groups are. */
  async status(topics: ReadonlyMap<string, MirroredTopic>): Promise<GroupStatus[]> {
    const list: GroupStatus[] = []
    for (const group of await this.#groups()) {
      for (const { name, partitions } of topics.values()) {
        for (const partition of partitions) {
          const carried = this.#ledger.carried(group, name, partition)
          if (carried !== undefined) list.push({ group, topic: name, partition, ...carried, moved: this.#moved.has(group) })
        }
      }
    }
    return list
  }

  async #carryGroup(group: string, carries: readonly Carry[], topics: ReadonlyMap<string, MirroredTopic>): Promise<void> {
    if (await this.#livesOnTarget(group, topics)) return this.#leave(group)
    const entries: LedgerRecord[] = carries.map((carry) => this.#ledger.groupEntry(group, carry.topic, carry.partition, carry))
    const transaction = await this.#target.beginTransaction(transactionOptions)
    try {
      const offsets = carries.map(({ topic, partition, target, metadata }) => ({ topic, partition, offset: target, metadata }))
      await transaction.commitOffsets(group, offsets)
      await this.#ledger.store(transaction, entries)
      await transaction.commit()
    } catch (error) {
      await transaction.abort().catch(() => {})
      // Its consumers came between the look and the commit. What it has committed says nothing here: it may be what was carried over just now.
      if (isLogError(error) && (await lagsOf(this.#target, group)).some(({ memberId }) => memberId !== undefined)) return this.#leave(group)
      throw error
    }
    this.#ledger.committed()
    for (const { topic, partition, target } of carries) this.#options.onEvent({ type: 'group', group, topic, partition, offset: target })
  }

  #leave(group: string): void {
    this.#moved.add(group)
    this.#options.onEvent({ type: 'group-moved', group })
  }

  /** It has members there, or has committed there what was not carried over. */
  async #livesOnTarget(group: string, topics: ReadonlyMap<string, MirroredTopic>): Promise<boolean> {
    for (const { topic, partition, committed, memberId } of await lagsOf(this.#target, group)) {
      if (memberId !== undefined) return true
      if (committed === undefined) continue
      const carried = this.#ledger.carried(group, topic, partition)?.target
      if (carried === committed) continue
      // What it is to read first may be deleted on the target: then it is told as being where that begins.
      const start = carried === undefined ? undefined : await topics.get(topic)?.targetStart(partition)
      if (start !== committed || carried! > committed) return true
    }
    return false
  }

  async #groups(): Promise<string[]> {
    const { groups } = this.#options
    const named = groups.filter((group) => typeof group === 'string')
    const patterns = groups.filter((group) => group instanceof RegExp)
    if (patterns.length === 0) return named
    const there = (await this.#source.groups.list()).map(({ group }) => group)
    return [...new Set([...named, ...there.filter((group) => patterns.some((pattern) => group.search(pattern) >= 0))])]
  }
}

/** What a group has committed, and who its members are; nothing where there is no such group. */
async function lagsOf(log: PortableLog, group: string): Promise<readonly PartitionLag[]> {
  try {
    return await log.groups.lag(group)
  } catch (error) {
    if (isLogError(error, 'LOG_GROUP_NOT_FOUND')) return []
    throw error
  }
}
