/*
 * One topic of a mirror: the one it is read from, the one it is stored in, and how far it is. It opens both, makes the target when it is
 * missing, and refuses a target that cannot hold what the source holds.
 */
import { isLogError, LogError } from '../../base/errors.ts'
import { type PortableConsumer, type PortableLog, type PortableRecord } from '../../topics/contract.ts'
import { type StartPosition } from '../../topics/start-position.ts'
import { type Ledger } from './ledger.ts'
import { type Ends, endsOf, hasRecords, plainTopic, type PlainTopic, type SourceTopic } from './side.ts'

/** A record of a topic as bytes. */
export type PlainRecord = PortableRecord<Uint8Array, Uint8Array>

/** Gaps that the message of an error names. */
const MOST_NAMED = 5

/** How far a partition is mirrored. */
export interface PartitionProgress {
  readonly partition: number
  /** Offset on the source of the next record to mirror. */
  readonly position: number
  /** The end of the source. */
  readonly end: number
  /** Offsets between. */
  readonly lag: number
}

/** Offsets of the source that were deleted before they were mirrored: `from` is the first of them, `to` the first one behind. */
export interface Gap {
  readonly topic: string
  readonly partition: number
  readonly from: number
  readonly to: number
}

/** A topic that is mirrored. */
export class MirroredTopic {
  readonly name: string
  readonly source: PlainTopic
  readonly target: PlainTopic
  /** Numbers of the partitions, as they were when it was opened. */
  readonly partitions: readonly number[]
  readonly #ledger: Ledger
  /** Offsets below which nothing is left to mirror, where that is more than the ledger says: markers and aborted records stand behind it. */
  readonly #passed = new Map<number, number>()

  private constructor(source: PlainTopic, target: PlainTopic, ledger: Ledger) {
    this.name = source.name
    this.source = source
    this.target = target
    this.partitions = Array.from({ length: source.partitionCount }, (_, partition) => partition)
    this.#ledger = ledger
  }

  /**
   * Opens both sides.
   *
   * @throws LogError `LOG_TOPIC_MISMATCH` when the target has another number of partitions; `LOG_MIRROR_TARGET` when it has records of others
   */
  static async open(from: PortableLog, to: PortableLog, topic: SourceTopic, parts: {
    readonly ledger: Ledger
    readonly existing: 'refuse' | 'append'
  }): Promise<MirroredTopic> {
    const { name, partitions } = topic
    const there = (await to.topics()).find((one) => one.name === name)
    const known = parts.ledger.knows(name)
    checkTarget(topic, there, known)
    const grows = there !== undefined && there.partitions < partitions
    const making = there === undefined ? topic : grows ? { partitions, key: undefined, value: undefined, settings: {} } : undefined
    const target = await plainTopic(to, name, making)
    if (there !== undefined && !known && parts.existing === 'refuse' && await hasRecords(target)) throw taken(name)
    return new MirroredTopic(await plainTopic(from, name), target, parts.ledger)
  }

  /** Reads on where the ledger ends. */
  read(): PortableConsumer<Uint8Array, Uint8Array> {
    return this.source.consumer({ from: new Map(this.partitions.map((partition) => [partition, this.#start(partition)])) })
  }

  /** Offset on the source below which every record is mirrored. */
  mirroredTo(partition: number): number {
    return Math.max(this.#ledger.position(this.name, partition), this.#passed.get(partition) ?? 0)
  }

  /** Where partitions begin of which nothing was mirrored yet and the source has deleted something: before the mirror began, nothing is gone. */
  async beginnings(): Promise<{ readonly partition: number; readonly position: number }[]> {
    const list = [...await this.ends()].map(([partition, { start }]) => ({ partition, position: start }))
    return list.filter(({ partition, position }) => position > 0 && this.mirroredTo(partition) === 0)
  }

  /** What the source has deleted before it was mirrored. */
  async gaps(): Promise<Gap[]> {
    const { name: topic } = this
    const list = [...await this.ends()].map(([partition, { start: to }]) => ({ topic, partition, from: this.mirroredTo(partition), to }))
    return list.filter(({ from, to }) => from < to)
  }

  /**
   * Looks whether anything is left to mirror. Gives the positions that the ledger does not have yet: of partitions in which nothing but
   * markers, aborted records and what is deleted stands behind the last record that was mirrored.
   */
  async settled(): Promise<{ readonly partition: number; readonly position: number }[]> {
    for (const [partition, { end }] of await this.ends()) await this.isMirroredTo(partition, end)
    const list = this.partitions.map((partition) => ({ partition, position: this.mirroredTo(partition) }))
    return list.filter(({ partition, position }) => position > this.#ledger.position(this.name, partition))
  }

  /** Where on the target somebody goes on who goes on at `offset` of the source, which is mirrored up to there. */
  async translate(partition: number, offset: number): Promise<number> {
    return this.#ledger.mapOf(this.name, partition).translate(offset) ?? (await endsOf(this.target)).get(partition)!.end
  }

  /** What stands beside the commit of a group on the source. */
  async metadataOf(group: string, partition: number): Promise<string> {
    try {
      const consumer = this.source.consumer({ group, autoCommit: false })
      try {
        return (await consumer.committed(partition))?.metadata ?? ''
      } finally {
        await consumer.close()
      }
    } catch (error) {
      // Of a log that is only read the metadata of its groups is not told.
      if (isLogError(error, 'LOG_READ_ONLY')) return ''
      throw error
    }
  }

  /** The oldest offset that the target keeps. */
  async targetStart(partition: number): Promise<number | undefined> {
    return (await endsOf(this.target)).get(partition)?.start
  }

  /** The ends of the source now. */
  ends(): Promise<Map<number, Ends>> {
    return endsOf(this.source)
  }

  /** Whether everything below `end` is mirrored; looks whether what is between holds a record. */
  async isMirroredTo(partition: number, end: number): Promise<boolean> {
    if (this.mirroredTo(partition) >= end) return true
    const consumer = this.source.consumer({ partitions: [partition], from: new Map([[partition, this.#start(partition)]]), until: 'end' })
    try {
      for await (const { offset } of consumer) if (offset < end) return false
      else break
    } finally {
      await consumer.close()
    }
    this.#passed.set(partition, end)
    return true
  }

  /** How far the partitions are. */
  async progress(): Promise<PartitionProgress[]> {
    const progress: PartitionProgress[] = []
    for (const [partition, { start, end }] of await this.ends()) {
      const position = Math.max(start, this.mirroredTo(partition))
      progress.push({ partition, position: Math.min(position, end), end, lag: Math.max(0, end - position) })
    }
    return progress
  }

  #start(partition: number): StartPosition {
    const position = this.mirroredTo(partition)
    return position === 0 ? 'earliest' : position
  }
}

/**
 * Throws when a target cannot hold what the source holds.
 *
 * @throws LogError `LOG_TOPIC_MISMATCH`
 */
export function checkTarget(
  { name, partitions }: Pick<SourceTopic, 'name' | 'partitions'>, there: { readonly partitions: number } | undefined, known: boolean,
): void {
  // A topic that grew on the source after it was mirrored grows on the target too.
  if (there === undefined || there.partitions === partitions || (known && there.partitions < partitions)) return
  const message = `topic "${name}" has ${partitions} partitions on the source and ${there.partitions} on the target: a mirror keeps partitions`
  throw new LogError('LOG_TOPIC_MISMATCH', message, { topic: name, source: partitions, target: there.partitions })
}

/** The error of a source that has deleted what was to be mirrored. */
export function gone(gaps: readonly Gap[]): LogError {
  const named = gaps.slice(0, MOST_NAMED).map(({ topic, partition, from, to }) => `${from}..${to - 1} of ${topic}-${partition}`).join(', ')
  const more = gaps.length > MOST_NAMED ? `, and of ${gaps.length - MOST_NAMED} partitions more` : ''
  const message = `the source has deleted offsets before they were mirrored: ${named}${more}; gaps: 'pass' goes on behind them`
  return new LogError('LOG_MIRROR_GAP', message, { gaps })
}

/** The error of a target that has records of others. */
export function taken(name: string): LogError {
  const message = `topic "${name}" of the target has records that this mirror did not bring: existing: 'append' mirrors behind them`
  return new LogError('LOG_MIRROR_TARGET', message, { topic: name })
}
